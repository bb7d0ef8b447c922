// A message's page: every fact, every event, and what the message says, which may neither run nor load anything.

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "../fixtures.ts";
import type { EmailLog } from "../api.ts";
import type { Locator, Page } from "@playwright/test";

let email: EmailLog;
let template: string;

test.beforeAll(async ({ team }) => {
  template = await team.api.createTemplate({
    name: "Invoice",
    subject: "Invoice {{ number }} ✓",
    html: "<h1>Invoice {{ number }}</h1><p>For {{ customer.name }}.</p>",
    text: "Invoice {{ number }}\nFor {{ customer.name }}.",
  });
  const id = await team.api.send({
    templateId: template,
    to: ["ada@example.com", "bob@example.com"],
    cc: "carol@example.com",
    bcc: "dan@example.com",
    from: "Billing <billing@acme.example>",
    replyTo: "help@acme.example",
    variables: { number: 1043, customer: { name: "Ada & Bob" } },
    tags: ["billing", "monthly"],
    metadata: { order: "o-77" },
    attachments: [
      { filename: "invoice.pdf", content: Buffer.from("%PDF-1.4").toString("base64"), contentType: "application/pdf" },
    ],
  });
  email = await team.api.waitFor(id, "sent");
});

/** The value beside a term on the page. */
function fact(page: Page, term: string): Locator {
  return page
    .getByRole("region", { name: "Message" })
    .locator("dl > div")
    .filter({ has: page.locator("dt").getByText(term, { exact: true }) })
    .locator("dd");
}

test("every field is on the page", async ({ page, as }) => {
  await as("member");
  await page.goto(`/logs/${email.id}`);

  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Invoice 1043 ✓");
  await expect(page.getByRole("main")).toContainText("to ada@example.com and 3 more");
  await expect(page).toHaveTitle(/Invoice 1043 ✓/);
  await expect(page.locator(".page-head").getByText("Sent", { exact: true })).toBeVisible();
  await expect(fact(page, "To")).toContainText("ada@example.com");
  await expect(fact(page, "To")).toContainText("bob@example.com");
  await expect(fact(page, "Cc")).toContainText("carol@example.com");
  await expect(fact(page, "Bcc")).toContainText("dan@example.com");
  await expect(fact(page, "From")).toHaveText(email.fromAddress);
  await expect(fact(page, "Reply to")).toHaveText("help@acme.example");
  await expect(fact(page, "Template")).toHaveText(/Invoice\s*· version 1/);
  await expect(fact(page, "Template").getByRole("link")).toHaveAttribute("href", `/templates/${email.templateId}`);
  await expect(fact(page, "Tags")).toContainText("billing");
  await expect(fact(page, "Attached")).toContainText("invoice.pdf");
  await expect(fact(page, "PDF attached")).toHaveText("yes");
  await expect(fact(page, "Adapter")).toHaveText("127.0.0.1");
  await expect(fact(page, "API key")).toHaveText("end2end");
  await expect(fact(page, "order").getByRole("link", { name: "o-77" })).toBeVisible();
  await expect(fact(page, "Job")).toBeHidden();
  await page.getByText("Technical: ids, times, headers").click();
  await expect(fact(page, "Job")).toBeVisible();
  await expect(fact(page, "API request")).toHaveText(/^req_/);
  await expect(fact(page, "Provider id")).toHaveText(email.providerMessageId!);
  await expect(fact(page, "Error")).toHaveCount(0);
  await expect(fact(page, "Job")).toHaveText(email.jobId);
  await expect(fact(page, "Team")).toHaveText(email.teamId);
  await expect(fact(page, "Id")).toHaveText(email.id);
  for (const [term, at] of [["Accepted", email.createdAt], ["Sent", email.sentAt!]]) {
    const shown = (await fact(page, term).locator("time").getAttribute("datetime"))!;
    expect(shown.slice(0, 23), term).toBe(at.slice(0, 23));
  }
  await expect(fact(page, "Delivered")).toHaveCount(0);

  await page.locator(".tabs").getByText("Variables", { exact: true }).click();
  await expect(page.getByRole("region", { name: "Variables" })).toContainText('"number": 1043');
  await expect(page.getByRole("region", { name: "Variables" })).toContainText('"name": "Ada & Bob"');
  await expect(page.getByRole("region", { name: "Metadata" })).toContainText('"order": "o-77"');
});

test("the timeline has every event, newest first, to the second", async ({ page, as }) => {
  await as("viewer");
  await page.goto(`/logs/${email.id}`);
  const events = page.getByRole("region", { name: "What happened" }).getByRole("listitem");
  await expect(events.first()).toContainText("Sent");
  await expect(events.last()).toContainText(/Queued|Requested/);
  const times = await events.locator("time").all();
  const instants = await Promise.all(times.map((time) => time.getAttribute("datetime")));
  expect(instants).toEqual([...instants].sort().reverse());
  await expect(times[0]).toHaveText(/\d\d:\d\d:\d\d$/);
});

test("the preview shows HTML, text and source", async ({ page, as }) => {
  await as("member");
  await page.goto(`/logs/${email.id}`);
  const tab = (name: string) => page.locator(".tabs").getByText(name, { exact: true });
  const frame = page.getByTitle("The message as HTML");
  await expect(frame).toBeHidden();
  await tab("Preview").click();
  await expect(frame.contentFrame().getByRole("heading", { name: "Invoice 1043" })).toBeVisible();
  await expect(frame.contentFrame().getByText("For Ada & Bob.")).toBeVisible();

  await tab("Text").click();
  await expect(page.getByLabel("The message as text")).toHaveText("Invoice 1043\nFor Ada & Bob.");
  await expect(frame).toBeHidden();
  await tab("Source").click();
  await expect(page.getByLabel("The HTML source")).toContainText("<p>For Ada &amp; Bob.</p>");
  await tab("Preview").click();
  await expect(frame).toBeVisible();
  // By the keyboard as well.
  await page.keyboard.press("ArrowRight");
  await expect(page.getByLabel("The message as text")).toBeVisible();
});

test("a viewer sees names and no contents", async ({ page, as }) => {
  await as("viewer");
  await page.goto(`/logs/${email.id}`);
  await expect(page.getByText("Your role does not see contents.")).toBeVisible();
  await page.locator(".tabs").getByText("Variables", { exact: true }).click();
  await expect(page.getByRole("region", { name: "Variables" })).toContainText('"number": "••••••"');
  await page.locator(".tabs").getByText("Preview", { exact: true }).click();
  await expect(page.getByRole("region", { name: "Preview" })).toContainText("The body is hidden");
  await expect(page.getByLabel("Reason")).toHaveCount(0);
  expect(await page.content()).not.toContain("Ada &amp; Bob");
});

test("a masked variable is shown for a while to who gives a reason", async ({ page, as, team }) => {
  const masked = await team.api.createTemplate({
    name: "Code",
    subject: "Your code {{ code }}",
    html: "<p>Your code is {{ code }}</p>",
    maskedVariables: ["code"],
  });
  const id = await team.api.send({ templateId: masked, to: "ada@example.com", variables: { code: "483920" } });
  await as("member");
  await page.goto(`/logs/${id}`);
  expect(await page.content()).not.toContain("483920");
  const frame = page.getByTitle("The message as HTML");
  const showPreview = () => page.locator(".tabs").getByText("Preview", { exact: true }).click();
  await showPreview();
  await expect(frame.contentFrame().getByText("Your code is ••••••")).toBeVisible();

  await page.getByLabel("Reason").fill("Ticket 4711: the code did not arrive");
  await page.getByRole("button", { name: "Show for 10 minutes" }).click();
  await expect(page.getByText("Reason: Ticket 4711: the code did not arrive")).toBeVisible();
  await showPreview();
  await expect(frame.contentFrame().getByText("Your code is 483920")).toBeVisible();
  await expect(page).toHaveTitle(/Your code 483920/);
});

test.describe("a message with a script and a picture from elsewhere", () => {
  let elsewhere: Server;
  let asked: string[];
  let id: string;

  test.beforeAll(async ({ team }) => {
    asked = [];
    elsewhere = createServer((request, response) => {
      asked.push(request.url ?? "");
      response.writeHead(200, { "Content-Type": "image/gif" });
      response.end(Buffer.from("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "base64"));
    });
    await new Promise<void>((done) => elsewhere.listen(0, "127.0.0.1", done));
    const remote = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
    const hostile = await team.api.createTemplate({
      name: "Hostile",
      subject: "Hostile",
      html:
        `<p id="shown">Shown</p><img src="${remote}/pixel.gif" width="9" height="9" alt="remote" onload="steal()">` +
        `<link rel="stylesheet" href="${remote}/style.css"><div style="background: url(${remote}/background.gif)">.</div>` +
        `<img src="x" alt="" onerror="document.body.dataset.ran = 1">` +
        `<script>document.body.dataset.ran = 2; fetch("${remote}/script");</script>` +
        `<script src="${remote}/script.js"></script><iframe src="${remote}/frame"></iframe>` +
        `<form action="${remote}/form"><button>Send</button></form>`,
    });
    id = await team.api.send({ templateId: hostile, to: "eve@example.com" });
  });

  test.afterAll(async () => new Promise<void>((done) => void elsewhere.close(() => done())));

  test("nothing runs and nothing is loaded until images are asked for", async ({ page, as, allowError }) => {
    // The browser says what it refused.
    allowError(/Content Security Policy|sandboxed|ERR_BLOCKED_BY_(CSP|RESPONSE)/);
    asked = [];
    await as("member");
    await page.goto(`/logs/${id}`);
    await page.locator(".tabs").getByText("Preview", { exact: true }).click();
    const preview = page.getByRole("region", { name: "Preview" });
    const iframe = preview.getByTitle("The message as HTML");
    await expect(iframe).toHaveAttribute("sandbox", "");
    const body = iframe.contentFrame();
    await expect(body.getByText("Shown")).toBeVisible();
    await page.waitForLoadState("networkidle");
    expect(await body.locator("body").getAttribute("data-ran")).toBeNull();
    expect(asked).toEqual([]);

    await preview.getByRole("link", { name: "Show images" }).click();
    await expect(page).toHaveURL(/images=1/);
    await expect(body.getByRole("img", { name: "remote" })).toBeVisible();
    await expect.poll(() => asked).toContain("/pixel.gif");
    await page.waitForLoadState("networkidle");
    expect(asked.filter((path) => !path.endsWith(".gif"))).toEqual([]);
    expect(await body.locator("body").getAttribute("data-ran")).toBeNull();

    await preview.getByRole("link", { name: "Hide images" }).click();
    await expect(page).not.toHaveURL(/images=1/);
  });

  test("its address alone runs nothing either, and another team's log is closed", async ({ page, as, allowError }) => {
    allowError(/Content Security Policy|sandboxed|ERR_BLOCKED_BY_CSP|40[14]/);
    asked = [];
    await as("member");
    const response = await page.goto(`/logs/${id}/body`);
    expect(response?.headers()["content-security-policy"]).toMatch(/default-src 'none'.*sandbox/);
    await expect(page.getByText("Shown")).toBeVisible();
    expect(await page.locator("body").getAttribute("data-ran")).toBeNull();
    expect(asked).toEqual([]);

    await page.context().clearCookies();
    expect((await page.request.get(`/logs/${id}/body`)).status()).toBe(401);
  });
});

test("many recipients are a table, the refused ones first, found by a part of their address", async ({
  page,
  as,
  team,
  hasScript,
}) => {
  const others = Array.from({ length: 13 }, (_, place) => `guest-${place + 10}@example.com`);
  const id = await team.api.send({
    templateId: template,
    to: [...others, `refused-${hasScript}@example.com`, "lost@elsewhere.example"],
    variables: { number: 7, customer: { name: "All" } },
  });
  await team.api.waitFor(id, "bounced");
  await as("member");
  await page.goto(`/logs/${id}`);
  const table = page.getByRole("region", { name: "Recipients" });
  await expect(table).toContainText("15, 1 with a problem");
  const shown = table.getByRole("table", { name: "Recipients", exact: true }).locator("tbody").getByRole("row");
  await expect(shown).toHaveCount(10);
  await expect(shown.first()).toContainText(`refused-${hasScript}@example.com`);
  await expect(shown.first()).toContainText("550 5.1.1");
  await expect(shown.nth(1)).toContainText("Sent");
  await table.getByText("5 more recipients").click();
  await expect(table.getByRole("row").filter({ hasText: "lost@elsewhere.example" })).toBeVisible();
  await expect(page.locator(".timeline")).toContainText("to 14 recipients");
  await table.getByRole("searchbox", { name: "Find a recipient" }).fill("ELSEWHERE");
  await table.getByRole("button", { name: "Find" }).click();
  await expect(page).toHaveURL(/\?recipient=ELSEWHERE/);
  await expect(table).toContainText("1 of 15");
  await expect(shown).toHaveCount(1);
  await table.getByRole("link", { name: "Show all" }).click();
  await expect(shown).toHaveCount(10);
});
