// The search of the messages, as somebody does who was asked about one: how many clicks and keys each answer takes.

import { search, tell } from "../clicks.ts";
import { demoTest, expect, test as freshTest } from "../fixtures.ts";
import type { Locator, Page } from "@playwright/test";

const test = demoTest;

function messages(page: Page): Locator {
  return page.getByRole("region", { name: "Messages" });
}

function rows(page: Page): Locator {
  return messages(page).locator("tbody").getByRole("row");
}

async function totalOf(page: Page): Promise<number> {
  const text = await messages(page).getByText(/^\s*[\d,]+ messages?\s*$/).innerText();
  return Number(text.replaceAll(/[^\d]/g, ""));
}

test("qualifiers become chips, and a chip is clicked away", async ({ page, as }) => {
  await as("member");
  await page.goto("/logs?preset=30d");
  const clicks = await search(page, "status:problems -channel:sms");
  const chips = page.getByRole("list", { name: "Filters" }).getByRole("link");
  await expect(chips).toHaveCount(2);
  await expect(page).toHaveURL(/q=status%3Aproblems\+-channel%3Asms/);
  const narrowed = await totalOf(page);
  await expect(page.getByLabel("Search messages")).toHaveValue("");
  await chips.filter({ hasText: "status" }).click();
  await expect(chips).toHaveCount(1);
  await expect(page).toHaveURL("/logs?preset=30d&q=-channel:sms");
  expect(await totalOf(page)).toBeGreaterThan(narrowed);
  tell("all problems, and back", clicks + 1);
});

test("words are added to what narrows the list already", async ({ page, as }) => {
  await as("member");
  await page.goto("/logs?preset=30d&status=delivered,opened,clicked");
  await search(page, "e");
  await expect(page).toHaveURL(/status=delivered%2Copened%2Cclicked.*q=e/);
  await expect(page.getByLabel("Search messages")).toHaveValue("e");
});

test("an id goes straight to its message, in every form that the message's page shows", async ({ page, as }) => {
  await as("member");
  await page.goto("/logs?preset=30d");
  const message = (await rows(page).first().getByRole("link").first().getAttribute("href"))!.split("?")[0]!;
  await page.goto("/logs");
  const clicks = await search(page, message.split("/").pop()!);
  await expect(page).toHaveURL(message);
  tell("a message by its id", clicks);
});

test("what a search does not know is explained, and nothing typed is lost", async ({ page, as, allowError }) => {
  await as("member");
  allowError(/400/);
  await page.goto("/logs?preset=30d");
  await search(page, "colour:red ada");
  await expect(page.getByRole("alert")).toContainText("There is no “colour:”");
  await expect(page.getByRole("alert")).toContainText("meta.NAME:");
  const field = page.getByLabel("Search messages");
  await expect(field).toHaveValue("colour:red ada");
  await search(page, "status:failed");
  await expect(page).toHaveURL(/preset=30d&status=failed|preset=30d.*q=status:failed|preset=30d&q=status%3Afailed/);
});

test("what can be searched by is listed, at every width", async ({ page, as, hasScript }) => {
  await as("member");
  for (const width of [390, 768, 1440]) {
    await page.setViewportSize({ width, height: 900 });
    await page.goto("/logs");
    await page.getByText("Search by…").click();
    await expect(page.getByText("meta.order:43645")).toBeVisible();
    if (hasScript) {
      await page.getByText("status:problems", { exact: true }).click();
      await expect(page.getByLabel("Search messages")).toHaveValue("status:");
      await expect(page.getByLabel("Search messages")).toBeFocused();
      await expect(page.getByText("meta.order:43645")).toBeHidden();
    }
    const isWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    expect(isWide, `${width}`).toBe(false);
  }
});

freshTest("a message is found by tag, metadata, key, server code, provider's id and mailbox provider", async ({ page, as, team }) => {
  const mark = `s${Date.now()}`;
  const templateId = await team.api.createTemplate({ name: mark, subject: `Order ${mark}`, text: "Hi" });
  const id = await team.api.send({ templateId, to: `ada@${mark}.example`, tags: [mark], metadata: { order: mark } });
  await team.api.waitFor(id, "sent");
  await as("owner");
  for (const [task, text] of [
    ["by tag", `tag:${mark}`],
    ["by a metadata value", `meta.order:${mark}`],
    ["by SMTP code", `reply:250 to:@${mark}.example`],
    ["all at one domain", `provider:${mark}.example`],
  ] as const) {
    await page.goto("/logs");
    const clicks = await search(page, text);
    await expect(rows(page), task).toHaveCount(1);
    await expect(rows(page).first().getByRole("link").first()).toHaveAttribute("href", `/logs/${id}`);
    tell(task, clicks);
  }
  const templateOf = { templateId, tags: [`${mark}-gmail`] };
  const outcomes = [
    ["bounced", "gmail-smtp-in.l.google.com"], ["bounced", "aspmx.l.google.com"],
    ["bounced", "mx.elsewhere.example"], ["delivered", "aspmx.l.google.com"],
  ] as const;
  for (const [index, [kind, mx]] of outcomes.entries()) {
    const other = await team.api.send({ ...templateOf, to: `${kind}-${index}@${mark}.example` });
    await team.api.waitFor(other, "sent");
    await team.api.report(other, kind, { mx, reply: kind === "bounced" ? "550 5.1.1 No such user" : "250 2.0.0 OK" });
    await team.api.waitFor(other, kind);
  }
  await page.goto("/logs");
  const clicks = await search(page, `provider:Gmail status:bounced tag:${mark}-gmail`);
  await expect(rows(page)).toHaveCount(2);
  for (const row of await rows(page).all()) {
    await expect(row).toContainText("Gmail");
  }
  tell("all bounces at one mailbox provider", clicks);
});
