// The log page, on the demo's thirty days: every number leads to the rows it counts, and the address holds everything.

import { createTeam, demoTest, expect, test as freshTest } from "../fixtures.ts";
import type { Locator, Page } from "@playwright/test";

const test = demoTest;

function messages(page: Page): Locator {
  return page.getByRole("region", { name: "Messages" });
}

/** How many messages the list has, as the bar over it says. */
async function totalOf(page: Page): Promise<number> {
  const text = await messages(page).getByText(/^\s*[\d,]+ messages?\s*$/).innerText();
  return numberIn(text);
}

function numberIn(text: string): number {
  const [digits] = text.match(/\d[\d,]*/) ?? [];
  if (digits === undefined) {
    throw new Error(`no number in “${text}”`);
  }
  return Number(digits.replaceAll(",", ""));
}

/** The rows of the table without its head. */
function rows(page: Page): Locator {
  return messages(page).locator("tbody").getByRole("row");
}

test.beforeEach(async ({ as }) => as("member"));

test("presets choose the period, and the address keeps it", async ({ page }) => {
  await page.goto("/logs");
  const period = page.getByRole("navigation", { name: "Period" });
  await expect(period.getByRole("link", { name: "Last 7 days" })).toHaveAttribute("aria-current", "true");

  const totals: number[] = [];
  for (const [name, address] of [
    ["Today", "/logs?preset=today"],
    ["Last 7 days", "/logs"],
    ["Last 30 days", "/logs?preset=30d"],
  ]) {
    await period.getByRole("link", { name }).click();
    await expect(page).toHaveURL(address);
    await expect(period.getByRole("link", { name })).toHaveAttribute("aria-current", "true");
    totals.push(numberIn(await page.getByRole("list", { name: "Counts" }).getByRole("link").first().innerText()));
  }
  const [today, week, month] = totals;
  expect(today).toBeLessThan(week);
  expect(week).toBeLessThan(month);
  expect(month).toBe(2000);
  await page.reload();
  expect(await totalOf(page)).toBe(month);
});

test("every card leads to exactly the rows it counts", async ({ page }) => {
  await page.goto("/logs?preset=30d");
  const cards = page.getByRole("list", { name: "Counts" }).getByRole("link");
  const labels = ["Total", "Queued", "Sent", "Delivered", "Opened", "Clicked", "Bounced", "Failed", "Spam"];
  await expect(cards).toHaveCount(labels.length);
  const found: [string, number, string][] = [];
  for (const [index, label] of labels.entries()) {
    const text = await cards.nth(index).innerText();
    expect(text.trimStart()).toMatch(new RegExp(`^${label}`, "i"));
    found.push([label, numberIn(text.replace(label, "")), (await cards.nth(index).getAttribute("href"))!]);
  }
  for (const [label, count, address] of found) {
    await page.goto(address);
    await expect(page.getByRole("link", { name: "Last 30 days" })).toHaveAttribute("aria-current", "true");
    if (count > 0) {
      expect(await totalOf(page), label).toBe(count);
    } else {
      await expect(page.getByText(/^No .*messages/)).toBeVisible();
    }
  }
});

test("a card keeps the template that the page is filtered by", async ({ page }) => {
  await page.goto("/logs?preset=30d");
  const menu = messages(page).locator("details").filter({ hasText: "Any template" });
  await menu.locator("summary").click();
  await menu.getByRole("link").nth(1).click();
  await expect(page).toHaveURL(/template=tpl_/);
  const card = page.getByRole("list", { name: "Counts" }).getByRole("link").nth(3);
  const count = numberIn((await card.innerText()).replace("Delivered", ""));
  await card.click();
  await expect(page).toHaveURL(/status=delivered,opened,clicked/);
  await expect(page).toHaveURL(/template=tpl_/);
  expect(await totalOf(page)).toBe(count);
});

test("a custom period has local times and stays in the address", async ({ page }) => {
  const day = (back: number) => new Date(Date.now() - back * 86_400_000).toISOString().slice(0, 10);
  await page.goto("/logs");
  const other = page.locator("summary").filter({ hasText: "Other…" });
  await other.click();
  await expect(page.getByText("Times are in Europe/Berlin.", { exact: false })).toBeVisible();
  await page.getByLabel("From", { exact: true }).fill(day(9));
  await page.getByLabel("To", { exact: true }).fill(day(5));
  await page.getByLabel("To: time, 24 hours").fill("12:30");
  await page.getByRole("button", { name: "Apply" }).first().click();

  // By instants, whatever the clock of who opens the address.
  await expect(page).toHaveURL(/preset=custom/);
  const url = new URL(page.url());
  const [from, to] = [url.searchParams.get("from")!, url.searchParams.get("to")!];
  expect(from).toMatch(new RegExp(`^${day(10)}T2[23]:00:00Z$`));
  expect(to).toMatch(new RegExp(`^${day(5)}T1[01]:30:00Z$`));
  const total = await totalOf(page);
  expect(total).toBeGreaterThan(0);
  expect(total).toBeLessThan(2000);
  for (const time of await rows(page).locator(".time time").all()) {
    const at = (await time.getAttribute("datetime"))!;
    expect(at >= from && at < to).toBe(true);
  }
  await page.reload();
  expect(await totalOf(page)).toBe(total);
  await page.getByRole("navigation", { name: "Period" }).locator("summary").click();
  await expect(page.getByLabel("From", { exact: true })).toHaveValue(day(9));
  await expect(page.getByLabel("To", { exact: true })).toHaveValue(day(5));
  await expect(page.getByLabel("To: time, 24 hours")).toHaveValue("12:30");
});

test("a day of 25 hours and a day of 23 hours are whole", async ({ page }) => {
  const bars = page.getByRole("figure", { name: "Messages by outcome" }).getByRole("link", { name: /: [\d,]+ messages?/ });
  const ends = async () => {
    const first = new URL((await bars.first().getAttribute("href"))!, page.url()).searchParams.get("from");
    const last = new URL((await bars.last().getAttribute("href"))!, page.url()).searchParams.get("to");
    return [first, last];
  };
  // The demo's people are in Europe/Berlin.
  await page.goto("/logs?preset=custom&from=2026-10-25T00:00&to=2026-10-26T00:00");
  await expect(bars).toHaveCount(25);
  expect(await ends()).toEqual(["2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"]);
  await page.getByRole("navigation", { name: "Period" }).locator("summary").click();
  await expect(page.getByLabel("From", { exact: true })).toHaveValue("2026-10-25");
  await expect(page.getByLabel("To", { exact: true })).toHaveValue("2026-10-25");
  await expect(page.getByRole("figure", { name: "Messages by outcome" })).toContainText("02:00 CEST");

  await page.goto("/logs?preset=custom&from=2026-10-25&to=2026-10-25");
  await expect(bars).toHaveCount(25);
  await page.goto("/logs?preset=custom&from=2026-03-29&to=2026-03-29");
  await expect(bars).toHaveCount(23);
  expect(await ends()).toEqual(["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"]);
});

test("a bar of the chart leads to exactly its rows", async ({ page }) => {
  await page.goto("/logs");
  const bars = page
    .getByRole("figure", { name: "Messages by outcome" })
    .getByRole("link", { name: /: [1-9][\d,]* messages?/ });
  const count = await bars.count();
  expect(count).toBeGreaterThan(10);
  for (const index of [0, Math.floor(count / 2), count - 1]) {
    await page.goto("/logs");
    const label = (await bars.nth(index).getAttribute("aria-label"))!;
    await page.goto((await bars.nth(index).getAttribute("href"))!);
    expect(await totalOf(page), label).toBe(numberIn(label.split(": ")[1]));
  }
});

test("dragging over bars shows their time, and a part of a bar its outcome", async ({ page, hasScript }) => {
  test.skip(!hasScript, "dragging is a script's");
  await page.goto("/logs?preset=30d");
  await expect(page.locator("html")).toHaveAttribute("data-alive", "");
  const bars = page.locator(".bar");
  const [from, to] = [await bars.nth(8).getAttribute("data-from"), await bars.nth(12).getAttribute("data-to")];
  await bars.nth(12).hover();
  await page.mouse.down();
  await bars.nth(8).hover();
  await expect(page.locator(".bar[data-chosen]")).toHaveCount(5);
  await expect(page.locator(".tip:visible")).toHaveCount(1);
  await page.mouse.up();
  await expect(page).toHaveURL(new RegExp(`from=${from}&to=${to}`));
  expect(await totalOf(page)).toBeGreaterThan(0);

  await page.goto("/logs?preset=30d");
  const lost = page.locator(".bar").filter({ has: page.locator("rect[data-key='lost']") }).last();
  await lost.locator("rect[data-key='lost']").click();
  await expect(page).toHaveURL(/from=.*status=bounced,failed,spam/);
  await expect(rows(page).first()).toContainText(/Bounced|Failed|Spam/);
});

test("on a phone the numbers stand behind one line", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto("/logs?preset=30d");
  const cards = page.getByRole("list", { name: "Counts" });
  await expect(cards).toBeHidden();
  await expect(rows(page).first()).toBeInViewport();
  await page.getByText(/^[\d,]+ messages, [\d,]+ problems$/).click();
  await expect(cards).toBeVisible();
});

test("keys go through the list, into a message, on to its neighbours, and back", async ({ page, hasScript }) => {
  test.skip(!hasScript, "keys are a script's");
  await page.goto("/logs?preset=30d&status=bounced");
  await expect(page.locator("html")).toHaveAttribute("data-alive", "");
  await page.keyboard.press("/");
  await expect(page.getByLabel("Search messages")).toBeFocused();
  await page.keyboard.type("j/?");
  await expect(page.getByLabel("Search messages")).toHaveValue("j/?");
  await page.goto("/logs?preset=30d&status=bounced");
  await expect(page.locator("html")).toHaveAttribute("data-alive", "");
  const links = page.locator("tbody .row-link");
  const addresses = await links.evaluateAll((links) => links.slice(0, 4).map((link) => link.getAttribute("href")));
  for (const _ of [1, 2, 3]) await page.keyboard.press("j");
  await expect(links.nth(2)).toBeFocused();
  await page.keyboard.press("k");
  await expect(links.nth(1)).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(addresses[1]!);
  await expect(page.locator("html")).toHaveAttribute("data-alive", "");
  await page.keyboard.press("j");
  await expect(page).toHaveURL(new RegExp(`^[^?]*${addresses[2]}\\?list=`));
  await expect(page.locator("html")).toHaveAttribute("data-alive", "");
  await page.keyboard.press("j");
  await expect(page).toHaveURL(new RegExp(`^[^?]*${addresses[3]}\\?list=`));
  await expect(page.locator("html")).toHaveAttribute("data-alive", "");
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeHidden();
  await page.keyboard.press("Escape");
  // One goes on from the row of the message that one was at.
  await expect(page).toHaveURL(`/logs?preset=30d&status=bounced#${addresses[3]!.split("/").at(-1)}`);
  await expect(links.nth(3)).toBeFocused();
  await expect(links.nth(3)).toBeInViewport();
  await page.keyboard.press("k");
  await expect(links.nth(2)).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(addresses[2]!);
  await page.goBack();
  await expect(links.nth(2)).toBeFocused();
});

test("a message leads back to the list that one came from", async ({ page }) => {
  await page.goto("/logs?preset=30d&status=bounced");
  const second = (await rows(page).nth(1).getByRole("link").first().getAttribute("href"))!;
  await rows(page).first().getByRole("link").first().click();
  const neighbours = page.getByRole("navigation", { name: "Neighbours in the list" });
  await expect(neighbours.getByText("Newer")).toBeVisible();
  await neighbours.getByRole("link", { name: "Older" }).click();
  await expect(page).toHaveURL(new RegExp(`^[^?]*${second}\\?list=`));
  await page.getByRole("navigation", { name: "Breadcrumb" }).getByRole("link").click();
  await expect(page).toHaveURL(`/logs?preset=30d&status=bounced#${second.split("/").at(-1)}`);
});

test("several statuses are chosen together", async ({ page }) => {
  await page.goto("/logs?preset=30d");
  const cards = page.getByRole("list", { name: "Counts" }).getByRole("link");
  const counts = await cards.allInnerTexts();
  const of = (label: string) =>
    numberIn(counts.find((text) => text.trimStart().startsWith(label))!.replace(label, ""));

  await messages(page).locator("summary").filter({ hasText: "Status" }).click();
  await page.getByRole("checkbox", { name: "Bounced" }).check();
  await page.getByRole("checkbox", { name: "Failed" }).check();
  await messages(page).getByRole("button", { name: "Apply" }).click();

  await expect(page).toHaveURL(/status=bounced/);
  expect(await totalOf(page)).toBe(of("Bounced") + of("Failed"));
  await expect(rows(page).first()).toBeVisible();
  await expect(rows(page).filter({ hasNot: page.getByRole("cell").filter({ hasText: /^(Bounced|Failed)$/ }) })).toHaveCount(0);
  await page.reload();
  await messages(page).locator("summary").filter({ hasText: "Status" }).click();
  await expect(page.getByRole("checkbox", { name: "Bounced" })).toBeChecked();
  await expect(page.getByRole("checkbox", { name: "Sent" })).not.toBeChecked();
});

test("search finds parts of addresses and subjects, and filters are cleared together", async ({ page }) => {
  await page.goto("/logs?preset=30d");
  const address = await rows(page).first().getByRole("link").first().innerText();
  const subject = await rows(page).first().getByRole("cell").nth(3).innerText();
  const search = page.getByLabel("Search messages");

  await search.fill(address.slice(1, -2).toUpperCase());
  await search.press("Enter");
  await expect(page).toHaveURL(/q=/);
  expect(await totalOf(page)).toBeGreaterThan(0);
  for (const row of await rows(page).all()) {
    // The match can be one of several recipients, whom the cell's tooltip lists.
    const found = `${await row.innerText()} ${await row.getByRole("cell").nth(2).getAttribute("title")}`;
    expect(found).toContain(address.slice(1, -2));
  }

  await search.fill(subject.slice(1));
  await search.press("Enter");
  await expect(page.getByRole("row").filter({ hasText: subject }).first()).toBeVisible();
  await expect(search).toHaveValue(subject.slice(1));

  await page.goto(`${page.url()}&status=sent,delivered,opened,clicked,queued,bounced,failed,spam`);
  await page.getByRole("link", { name: "Clear filters" }).click();
  await expect(page).toHaveURL("/logs?preset=30d");
  expect(await totalOf(page)).toBe(2000);
  await expect(page.getByRole("link", { name: "Clear filters" })).toHaveCount(0);
});

test("the template filter shows the messages of one template", async ({ page }) => {
  await page.goto("/logs?preset=30d&search=e");
  const menu = messages(page).locator("details").filter({ hasText: "Any template" });
  await menu.locator("summary").click();
  const choice = menu.getByRole("link").nth(2);
  const name = await choice.innerText();
  await choice.click();
  await expect(page).toHaveURL(/template=tpl_/);
  await expect(page).toHaveURL(/q=e/);
  await expect(rows(page).first()).toBeVisible();
  await expect(rows(page).filter({ hasNot: page.getByRole("cell").filter({ hasText: new RegExp(`^${name}$`) }) })).toHaveCount(0);
});

test("pages are turned by links, and reloading stays", async ({ page }) => {
  await page.goto("/logs?preset=30d&status=delivered,opened,clicked");
  const total = await totalOf(page);
  const last = Math.ceil(total / 50);
  const pages = page.getByRole("navigation", { name: "Pages" });
  const range = (from: number, to: number) =>
    messages(page).getByText(`${from.toLocaleString("en")}–${to.toLocaleString("en")} of ${total.toLocaleString("en")}`);
  await expect(range(1, 50)).toBeVisible();
  await expect(rows(page)).toHaveCount(50);
  const firstOf = () => rows(page).first().getByRole("link").first().getAttribute("href");
  const first = await firstOf();

  await pages.getByRole("link", { name: "Next" }).click();
  await expect(page).toHaveURL(/page=2&seen=[^&#]+#messages$/);
  await expect(range(51, 100)).toBeVisible();
  const second = await firstOf();
  expect(second).not.toBe(first);
  await page.reload();
  expect(await firstOf()).toBe(second);

  await pages.getByRole("link", { name: `Page ${last}`, exact: true }).click();
  await expect(page).toHaveURL(new RegExp(`page=${last}&seen=[^&#]+#messages$`));
  await expect(range((last - 1) * 50 + 1, total)).toBeVisible();
  await expect(pages.getByRole("link", { name: "Next" })).toHaveCount(0);

  await pages.getByRole("link", { name: "Previous" }).click();
  await expect(page).toHaveURL(new RegExp(`page=${last - 1}&seen=[^&#]+#messages$`));
  await expect(rows(page)).toHaveCount(50);
  await expect(page).toHaveURL(/status=delivered,opened,clicked/);

  // Another filter begins at the first page.
  await page.getByRole("navigation", { name: "Period" }).getByRole("link", { name: "Last 7 days" }).click();
  await expect(page).not.toHaveURL(/page=/);
});

test("a row leads to its message, and back", async ({ page }) => {
  await page.goto("/logs?status=bounced&preset=30d");
  const link = rows(page).first().getByRole("link").first();
  const [href, address] = [(await link.getAttribute("href"))!, await link.innerText()];
  await link.click();
  await expect(page).toHaveURL(href);
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await expect(page.getByRole("main").getByRole("link", { name: address }).first()).toBeVisible();
  await page.goBack();
  await expect(page).toHaveURL(/\/logs\?status=bounced&preset=30d(#eml_\w+)?$/);
});

test("times are the viewer's, with the zone", async ({ page }) => {
  await page.goto("/logs");
  await expect(page.getByRole("banner").getByText("Europe/Berlin")).toBeVisible();
  const time = rows(page).first().locator(".time time");
  await expect(time).toHaveAttribute("title", /Europe\/Berlin \(UTC\+0[12]:00\)$/);
  const at = new Date((await time.getAttribute("datetime"))!);
  const clock = at.toLocaleTimeString("en-GB", { timeZone: "Europe/Berlin", hour: "2-digit", minute: "2-digit" });
  await expect(time).toContainText(clock);
});

test("a wrong address is explained, and never blank", async ({ page, allowError }) => {
  allowError(/400/);
  for (const [query, words] of [
    ["preset=year", "preset"],
    ["status=lost", "status"],
    ["template=nope", "template"],
    ["page=0", "page"],
    ["page=99999999999999999999", "page"],
    [`search=${"x".repeat(201)}`, "at most 200 characters"],
  ]) {
    const response = await page.goto(`/logs?${query}`);
    expect(response?.status(), query).toBe(400);
    await expect(page.getByRole("heading", { level: 1, name: "This address does not work" })).toBeVisible();
    await expect(page.getByRole("main")).toContainText(words);
  }
  await page.getByRole("link", { name: "Show the default view of the logs" }).click();
  await expect(page).toHaveURL("/logs");
  expect(await totalOf(page)).toBeGreaterThan(0);
});

test("nothing found says what is missing and where there is more", async ({ page }) => {
  await page.goto("/logs?q=zzz-nobody&status=failed");
  await expect(page.getByText("No failed messages matching “zzz-nobody” in the last 7 days")).toBeVisible();
  await page.getByRole("link", { name: "Clear filters" }).first().click();
  await expect(page).toHaveURL("/logs");

  await page.goto("/logs?page=999");
  await expect(page.getByText("There is no page 999")).toBeVisible();
  await page.getByRole("link", { name: "Go to the last page" }).click();
  await expect(rows(page).first()).toBeVisible();

  await page.goto("/logs?preset=custom&from=2001-01-01&to=2001-01-02");
  await expect(page.getByText("No messages in this period")).toBeVisible();
});

test("an unknown message or page is a 404 that leads on", async ({ page, allowError }) => {
  allowError(/404/);
  for (const [address, title] of [
    ["/logs/eml_0000000000000", "There is no such message"],
    ["/logs/nonsense", "There is no such message"],
    ["/templates/tpl_0000000000000", "Template not found"],
    ["/nowhere/at/all", "Page not found"],
  ]) {
    const response = await page.goto(address);
    expect(response?.status(), address).toBe(404);
    await expect(page.getByRole("heading", { level: 1, name: title })).toBeVisible();
  }
  await page.getByRole("link", { name: "Go to the logs" }).click();
  await expect(page).toHaveURL("/logs");
});

freshTest("before the first message the log says how to send one", async ({ page, as, sendlog, smtp, hasScript }) => {
  const team = await createTeam(sendlog, smtp, `empty-${hasScript}`);
  await as("owner", team);
  await page.goto("/logs");
  await expect(page.getByText("No message has been sent yet")).toBeVisible();
  await expect(page.getByText(`curl ${sendlog.url}/api/v1/send`)).toBeVisible();
  await expect(page.getByRole("link", { name: "create a template" })).toHaveAttribute("href", "/templates/new");
});

test("a click anywhere in a row opens its message, and what is selected in it is not clicked", async ({ page, hasScript }) => {
  await page.goto("/logs?preset=30d");
  const row = rows(page).first();
  const href = await row.locator(".row-link").getAttribute("href");
  if (hasScript) {
    const subject = await row.locator(".subject span").first().boundingBox();
    await page.mouse.move(subject!.x + 2, subject!.y + subject!.height / 2);
    await page.mouse.down();
    await page.mouse.move(subject!.x + 60, subject!.y + subject!.height / 2, { steps: 5 });
    await page.mouse.up();
    await expect.poll(() => page.evaluate(() => getSelection()?.toString().trim().length)).toBeGreaterThan(0);
    await expect(page).toHaveURL(/\/logs\?preset=30d$/);
    await page.evaluate(() => getSelection()?.removeAllRanges());
  }
  // Without scripts the link lies over the row.
  await row.locator(".time").click({ force: !hasScript });
  await expect(page).toHaveURL(new RegExp(`${href}$`));
});

test("what is done before the page is alive holds once it is", async ({ page, context, hasScript }) => {
  test.skip(!hasScript, "it is a script's");
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  // The browser's module comes late.
  let release = () => {};
  const isReleased = new Promise<void>((resolve) => (release = resolve));
  await page.route("**/*.wasm", async (route) => {
    await isReleased;
    await route.continue();
  });
  await page.goto("/logs?preset=30d", { waitUntil: "commit" });
  await expect(rows(page).first()).toBeVisible();
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.locator(".page-head [data-copy]").click();
  release();
  await expect(page.locator(".page-head [data-copy]")).toContainText("Copied");
  await expect(page.locator("tbody .row-link").nth(1)).toBeFocused();
});

test("a page whose scripts do not come works without them", async ({ page, hasScript, allowError }) => {
  test.skip(!hasScript, "as every page without scripts");
  allowError(/ERR_FAILED|Failed to fetch/);
  await page.route("**/*.wasm", (route) => route.abort());
  await page.goto("/logs?preset=30d");
  await expect(page.locator("html")).not.toHaveAttribute("data-scripted");
  await expect(page.getByRole("link", { name: "Reload", exact: true })).toBeVisible();
  await expect(page.locator(".needs-script:visible")).toHaveCount(0);
});
