// The log of API requests: what was asked, what was answered, and the messages that came of it. With it the channels of
// messages and the page that gathers a notification's.

import { createTeam, demoTest, expect, test as freshTest, type SendingTeam } from "../fixtures.ts";
import type { Locator, Page } from "@playwright/test";

const test = demoTest;

function requests(page: Page): Locator {
  return page.getByRole("region", { name: "Requests" });
}

/** The rows of the table without its head. */
function rows(page: Page): Locator {
  return requests(page).locator("tbody").getByRole("row");
}

/** Opens a menu of the bar and chooses a link in it. */
async function choose(page: Page, any: string, choice: string): Promise<void> {
  const menu = page.locator("details").filter({ hasText: any });
  await menu.locator("summary").click();
  await menu.getByRole("link", { name: choice, exact: true }).click();
}

/** The ids of the requests on the page, in their order. */
async function idsOf(page: Page): Promise<string[]> {
  const links = await rows(page).getByRole("link").all();
  return Promise.all(links.map(async (link) => (await link.getAttribute("href"))!.split("/").at(-1)!));
}

/** The value beside a term on a page. */
function fact(page: Page, region: string, term: string): Locator {
  return page
    .getByRole("region", { name: region, exact: true })
    .locator("dl > div")
    .filter({ has: page.locator("dt").getByText(term, { exact: true }) })
    .locator("dd");
}

test("the list is reached from the navigation, newest first", async ({ page, as }) => {
  await as("member");
  await page.goto("/logs");
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "API requests" }).click();
  await expect(page).toHaveURL("/requests");
  await expect(page.getByRole("heading", { level: 1, name: "API requests" })).toBeVisible();
  await expect(page.getByRole("link", { name: "Last 7 days" })).toHaveAttribute("aria-current", "true");
  const times = await rows(page).locator("time").all();
  const instants = await Promise.all(times.map((time) => time.getAttribute("datetime")));
  expect(instants.length).toBeGreaterThan(10);
  expect(instants).toEqual([...instants].sort().reverse());
});

test("every filter narrows the list, keeps the others, and stays in the address", async ({ page, as }) => {
  test.slow();
  await as("member");
  await page.goto("/requests?preset=30d");
  await choose(page, "Any method", "POST");
  await expect(page).toHaveURL("/requests?preset=30d&method=POST");
  await choose(page, "Any status", "4xx, refused");
  await expect(page).toHaveURL("/requests?preset=30d&method=POST&status=4xx");
  for (const row of await rows(page).all()) {
    await expect(row).toContainText("POST");
    await expect(row.getByRole("cell").first()).toHaveText(/^4\d\d$/);
  }
  await page.getByRole("link", { name: "Clear filters" }).click();
  await expect(page).toHaveURL("/requests?preset=30d");

  await choose(page, "Any key", "crm");
  await page.getByRole("searchbox", { name: "Search endpoint" }).fill("SENDWITHUS");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/key=key_\w+/);
  await expect(page).toHaveURL(/endpoint=SENDWITHUS/);
  await expect(page).toHaveURL(/preset=30d/);
  expect(await rows(page).count()).toBeGreaterThan(0);
  for (const row of await rows(page).all()) {
    await expect(row).toContainText("/sendwithus/api/v1/");
    await expect(row).toContainText("crm");
  }

  await page.getByRole("link", { name: "Clear filters" }).click();
  await page.locator("summary").filter({ hasText: "User agent" }).click();
  await page.getByLabel("A part of it").fill("resend-node");
  await page.getByRole("button", { name: "Apply" }).last().click();
  await expect(page).toHaveURL(/agent=resend-node/);
  expect(await rows(page).count()).toBeGreaterThan(0);
  for (const row of await rows(page).all()) {
    await expect(row).toContainText("/resend/emails");
  }
  await page.reload();
  await expect(page.locator("summary").filter({ hasText: "User agent" })).toContainText("resend-node");
});

test("the strip over the list counts its requests, and each number leads to them", async ({ page, as }) => {
  await as("member");
  await page.goto("/requests?preset=30d&method=POST");
  const strip = requests(page).getByRole("list", { name: "By status" });
  const refused = strip.getByRole("link", { name: / refused$/ });
  const count = Number((await refused.textContent())!.split(" ")[0]);
  expect(count).toBeGreaterThan(0);
  await refused.click();
  await expect(page).toHaveURL("/requests?preset=30d&method=POST&status=4xx");
  await expect(rows(page)).toHaveCount(Math.min(count, 50));
  await expect(requests(page)).toContainText(count === 1 ? "1 request" : `${count} requests`);
});

test("requests are found by the whole address of a recipient", async ({ page, as }) => {
  await as("member");
  await page.goto("/requests?preset=30d");
  await page.locator("summary").filter({ hasText: "Recipient" }).click();
  await page.getByLabel("A whole address").fill("nobody-at-all@finch.example");
  await page.locator("form").filter({ has: page.getByLabel("A whole address") }).getByRole("button").click();
  await expect(page).toHaveURL(/recipient=nobody-at-all(@|%40)finch\.example/);
  await expect(page.getByText("Found no API requests for nobody-at-all@finch.example in the last 30 days")).toBeVisible();
});

test("a part of an address is a mistake beside the field, and the list stays", async ({ page, as }) => {
  await as("member");
  await page.goto("/requests?recipient=@finch.example");
  await expect(page.getByLabel("A whole address")).toHaveAccessibleDescription(/^Write a whole address, such as ada@example\.com/);
  await expect(page.getByLabel("A whole address")).toHaveValue("@finch.example");
  expect(await rows(page).count()).toBeGreaterThan(0);
});

test("older and newer walk the whole list without a repeat or a gap", async ({ page, as }) => {
  test.slow();
  await as("member");
  await page.goto("/requests?preset=30d");
  const pages = page.getByRole("navigation", { name: "Pages" });
  await expect(pages.getByRole("link", { name: "Newer" })).toHaveCount(0);
  const walked: string[][] = [await idsOf(page)];
  expect(walked[0]).toHaveLength(50);
  for (;;) {
    const older = pages.getByRole("link", { name: "Older" });
    if ((await older.count()) === 0) {
      break;
    }
    await older.click();
    await expect(page).toHaveURL(new RegExp(`after=${walked.at(-1)!.at(-1)}`));
    walked.push(await idsOf(page));
  }
  const all = walked.flat();
  expect(walked.length).toBeGreaterThan(2);
  expect(new Set(all).size).toBe(all.length);
  expect(all).toEqual([...all].sort().reverse());

  for (const expected of walked.slice(0, -1).reverse()) {
    await pages.getByRole("link", { name: "Newer" }).click();
    await expect(page).toHaveURL(/before=req_/);
    expect(await idsOf(page)).toEqual(expected);
  }
  await expect(pages.getByRole("link", { name: "Newer" })).toHaveCount(0);
});

test("an id goes straight to its request, which is copied as a command", async ({ page, as, hasScript }) => {
  await as("owner");
  // What was posted is hidden in the demo until a reason is given, and then is no command.
  await page.goto("/requests?preset=30d&method=GET&status=2xx");
  const href = await rows(page).first().getByRole("link").first().getAttribute("href");
  const field = page.getByRole("searchbox", { name: "Search endpoint or id" });
  await field.fill(href!.split("/").pop()!);
  await field.press("Enter");
  await expect(page).toHaveURL(href!);
  if (hasScript) {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    const button = page.getByRole("button", { name: "Copy as curl" });
    await button.click();
    await expect(page.getByRole("button", { name: "Copied" })).toBeVisible();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^curl -X GET 'http:.*\n.*YOUR_KEY/);
  }
});

test("the end of the list and an empty list say so", async ({ page, as }) => {
  await as("member");
  await page.goto("/requests?preset=30d&after=req_0000000000009");
  await expect(page.getByText("There is nothing older")).toBeVisible();
  await page.getByRole("link", { name: "Back to the newest" }).click();
  await expect(page).toHaveURL("/requests?preset=30d");

  await page.goto("/requests?status=5xx&method=DELETE");
  await expect(page.getByText("No failed DELETE requests in the last 7 days")).toBeVisible();
  await requests(page).getByRole("link", { name: "Look at the last 30 days" }).click();
  await expect(page).toHaveURL("/requests?preset=30d&method=DELETE&status=5xx");
});

for (const [query, field] of [
  ["status=404", "status"],
  ["method=BREW", "method"],
  ["page=2", "page"],
  ["after=eml_0000000000009", "after"],
]) {
  test(`the mistyped address ${query} is refused`, async ({ page, as, allowError }) => {
    allowError(/400/);
    await as("member");
    const response = await page.goto(`/requests?${query}`);
    expect(response?.status()).toBe(400);
    await expect(page.getByRole("main")).toContainText(`The parameter “${field}” is wrong`);
    await page.getByRole("link", { name: "Show the default view of the requests" }).click();
    await expect(page).toHaveURL("/requests");
  });
}

test("a notification gathers its channels, each linked to its message and back", async ({ page, as }) => {
  await as("viewer");
  await page.goto("/logs?preset=30d&channel=push&status=queued");
  await page.locator("tbody").getByRole("link").first().click();
  await expect(page.getByText("Waits for an adapter for Push: add one under Settings, Adapters.")).toBeVisible();
  await expect(page.getByRole("main").getByRole("link", { name: "Settings, Adapters" })).toHaveCount(0);
  const messageUrl = page.url();
  await fact(page, "Message", "Part of").getByRole("link", { name: /^notification ntf_/ }).click();

  await expect(page).toHaveURL(/\/notifications\/ntf_\w+$/);
  await expect(fact(page, "Notification", "Kind")).toHaveText("order_shipped");
  await expect(fact(page, "Notification", "User id")).toHaveText(/^customer-/);
  for (const [channel, recipient] of [["Email", "@"], ["SMS", "+44"], ["Push", "customer-"]]) {
    const panel = page.getByRole("region", { name: channel, exact: true });
    await expect(panel).toContainText(recipient);
    await expect(panel.getByRole("listitem").last()).toContainText("Requested");
  }
  const push = page.getByRole("region", { name: "Push", exact: true });
  await expect(push).toContainText("Waits for an adapter.");
  await push.getByRole("link", { name: "Open the message over Push" }).click();
  await expect(page).toHaveURL(messageUrl);
});

test("the log is filtered by channel, and other channels than email are marked", async ({ page, as }) => {
  await as("viewer");
  await page.goto("/logs?preset=30d");
  await choose(page, "Any channel", "SMS");
  await expect(page).toHaveURL("/logs?preset=30d&channel=sms");
  const messages = page.getByRole("region", { name: "Messages" }).locator("tbody").getByRole("row");
  expect(await messages.count()).toBeGreaterThan(0);
  for (const row of await messages.all()) {
    await expect(row).toContainText("SMS");
    await expect(row).toContainText("+447700900");
  }
  await page.goto("/logs?preset=30d&channel=call&status=spam");
  await expect(page.getByText("No spam call messages in the last 30 days")).toBeVisible();
});

freshTest.describe("a request that made a message", () => {
  let team: SendingTeam;
  let message: string;

  freshTest.beforeAll(async ({ sendlog, smtp }) => {
    team = await createTeam(sendlog, smtp, "requests");
    const templateId = await team.api.createTemplate({ name: "Note", subject: "A note to {{ name }}", text: "." });
    message = await team.api.send({ templateId, to: "ada@example.com", variables: { name: "Ada" } });
    await team.api.waitFor(message, "sent");
  });

  freshTest("it shows both bodies and leads to the message, which leads back", async ({ page, as }) => {
    await as("member", team);
    await page.goto("/requests?endpoint=/api/v1/send&method=POST");
    await page.locator("tbody").getByRole("link").first().click();
    await expect(page).toHaveURL(/\/requests\/req_\w+$/);
    const requestUrl = page.url();
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("POST /api/v1/send");
    await expect(page.locator(".page-head").getByText("200", { exact: true })).toBeVisible();
    await expect(fact(page, "Request", "API key")).toHaveText("end2end");
    await expect(fact(page, "Request", "Took")).toHaveText(/^\d+ ms$/);
    await expect(fact(page, "Request", "User agent")).toHaveText("node");
    await expect(fact(page, "Request", "Id")).toContainText(requestUrl.split("/").at(-1)!);
    await expect(page.getByLabel("Request body").locator("pre")).toContainText('\n    "name": "Ada"\n');
    await expect(page.getByLabel("Response body").locator("pre")).toContainText(`"id": "${message}"`);

    const made = page.getByRole("region", { name: "Messages it created" });
    await expect(made).toContainText("A note to Ada");
    await made.getByRole("link", { name: "ada@example.com" }).click();
    await expect(page).toHaveURL(`/logs/${message}`);
    await page.getByRole("link", { name: "API request", exact: true }).click();
    await expect(page).toHaveURL(requestUrl);
  });

  freshTest("it is found by its recipient, and a refused one by its error", async ({ page, as }) => {
    const refused = await fetch(`${team.url}/api/v1/send`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${team.key}` },
      body: JSON.stringify({ templateId: "tpl_0000000000000", to: "eve@example.com" }),
    });
    expect(refused.ok).toBe(false);
    await as("member", team);
    await page.goto("/requests?recipient=ADA@example.com");
    await expect(rows(page)).toHaveCount(1);
    await rows(page).getByRole("link").first().click();
    await expect(page.getByRole("region", { name: "Messages it created" })).toContainText("A note to Ada");
    await page.goto("/requests?recipient=eve@example.com");
    await requests(page).getByRole("link", { name: "Look for the address in what was posted" }).click();
    await expect(page).toHaveURL("/requests?error=eve@example.com");
    await expect(rows(page).first()).toContainText("/api/v1/send");
    await expect(rows(page).first().getByRole("cell").first()).toHaveText(/^4\d\d$/);
  });

  freshTest("secrets in bodies are replaced, and the body says so", async ({ page, as }) => {
    await fetch(`${team.url}/api/auth/login`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${team.key}`, Origin: team.url },
      body: JSON.stringify({ email: "nobody@acme.example", password: "hush-hush" }),
    });
    await as("member", team);
    await page.goto("/requests?endpoint=login");
    await page.locator("tbody").getByRole("link").first().click();
    const body = page.getByRole("region", { name: "Request body" });
    await expect(body).toContainText('"password": "[redacted]"');
    await expect(body).toContainText("Secrets are replaced");
    await expect(page.getByRole("main")).not.toContainText("hush-hush");
  });

  freshTest("without requests:view there is no way to it", async ({ page, as, open, allowError }) => {
    allowError(/403/);
    const member = await open("member", team);
    await member.goto(`/logs/${message}`);
    const link = member.getByRole("link", { name: "API request", exact: true });
    const address = (await link.getAttribute("href"))!;

    await as("viewer", team);
    await page.goto(`/logs/${message}`);
    await expect(fact(page, "Message", "API request")).toHaveText(/^req_\w+$/);
    await expect(page.getByRole("link", { name: "API request", exact: true })).toHaveCount(0);
    await expect(page.getByRole("link", { name: "API requests" })).toHaveCount(0);
    for (const closed of ["/requests", address]) {
      const response = await page.goto(closed);
      expect(response?.status()).toBe(403);
      await expect(page.getByRole("heading", { level: 1, name: "You may not see this" })).toBeVisible();
      await expect(page.getByRole("main")).toContainText("Ask The owner (owner).");
    }
  });
});
