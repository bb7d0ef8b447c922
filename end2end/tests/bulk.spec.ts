// Sending many messages again: from chosen rows and from a list, each with its clicks counted.

import { readFileSync } from "node:fs";
import { tell } from "../clicks.ts";
import { createTeam, demoTest, expect, expectAccessible, test, type SendingTeam } from "../fixtures.ts";
import type { Page } from "@playwright/test";

/** Messages that bounce; those of the usual kind get through the second time. */
async function bounce(team: SendingTeam, count: number, slug: string, kind = "refused-once"): Promise<void> {
  const templateId = await team.api.createTemplate({ name: "Receipt", subject: "Receipt {{ n }}", text: "Thanks" });
  const ids = [];
  for (let n = 1; n <= count; n++) {
    ids.push(await team.api.send({ templateId, to: `${kind}-${slug}-${n}@example.com`, variables: { n } }));
  }
  for (const id of ids) {
    await team.api.waitFor(id, "bounced");
  }
}

async function expectNoFaults(page: Page, hasScript: boolean): Promise<void> {
  if (hasScript) {
    await expectAccessible(page);
  }
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(overflow).toBeLessThanOrEqual(0);
}

test("two chosen messages are resent in 5 clicks, and the report says what became of each", async ({
  page, as, sendlog, smtp, hasScript,
}) => {
  test.slow();
  const slug = `bulk-chosen-${hasScript}`;
  const team = await createTeam(sendlog, smtp, slug);
  await bounce(team, 3, slug, "refused");
  await as("owner", team);
  await page.goto("/logs");
  const boxes = page.getByRole("checkbox", { name: /^Choose the message to/ });
  await expect(boxes).toHaveCount(3);
  await boxes.nth(0).click();
  await boxes.nth(1).click();
  await page.getByRole("button", { name: "Resend chosen …" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Resend messages" })).toBeVisible();
  await expect(page.getByText("2 messages that you chose.")).toBeVisible();
  await expect(page.getByRole("table")).toContainText("It will likely fail again: the address does not exist");
  await expectNoFaults(page, hasScript);
  await page.getByRole("link", { name: "Resend also the 2 that will likely fail again" }).click();
  await expect(page.getByText("All of them will likely fail again, for the reasons above.")).toBeVisible();
  await expectNoFaults(page, hasScript);
  await page.getByRole("button", { name: "Resend 2 messages anyway" }).click();
  await expect(page).toHaveURL(/\/resends\/rsd_/);
  const report = page.getByRole("region", { name: "Messages" });
  // What came back for good is suppressed, and dropped when it is sent again.
  await expect(async () => {
    await page.reload();
    await expect(page.getByText("Done", { exact: true })).toBeVisible({ timeout: 500 });
    await expect(page.getByText("Done: 2 of 2 sent again.")).toBeVisible({ timeout: 500 });
    await expect(report.locator("a[title^='The copy eml_']").filter({ hasText: "Failed" })).toHaveCount(2, { timeout: 500 });
  }).toPass();
  await expectNoFaults(page, hasScript);
  await page.goto("/resends");
  await expect(page.getByRole("link", { name: "Resend 2 messages" })).toBeVisible();
  await expectNoFaults(page, hasScript);
  tell("two chosen messages resent", 5);
});

test("all that match are resent from their list in 3 clicks, paused and stopped", async ({
  page, as, sendlog, smtp, hasScript,
}) => {
  test.slow();
  const slug = `bulk-list-${hasScript}`;
  const team = await createTeam(sendlog, smtp, slug);
  await bounce(team, 4, slug);
  await as("owner", team);
  await page.goto("/resends/new?status=bounced&also=failing");
  await page.getByLabel("Name").fill("After the block");
  await page.getByLabel("Pace").selectOption("30");
  await page.getByRole("button", { name: "Resend 4 messages anyway" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "After the block" })).toBeVisible();
  await page.getByRole("button", { name: "Pause" }).click();
  await expect(page.getByText("Paused", { exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Stop" }).click();
  await expect(page.getByText("Stopped", { exact: true })).toBeVisible();
  await expectNoFaults(page, hasScript);
  tell("all that bounced resent, paused and stopped", 3);
});

demoTest("the whole list is chosen in 3 clicks at most", async ({ page, as, hasScript }) => {
  await as("owner");
  await page.goto("/logs?preset=30d&status=delivered,bounced");
  if (hasScript) {
    await page.locator("html[data-alive]").waitFor();
    await page.getByRole("checkbox", { name: "Choose all on this page" }).click();
    await page.getByRole("button", { name: /^Choose all .* that match$/ }).click();
    await page.getByRole("link", { name: "Resend all …" }).click();
  } else {
    await page.getByRole("link", { name: /^Resend all .* that match …$/ }).click();
  }
  await expect(page.getByRole("heading", { level: 1, name: "Resend messages" })).toBeVisible();
  await expect(page.getByRole("main")).toContainText("did not fail and stay as they are");
  await expectNoFaults(page, hasScript);
  tell("a whole list chosen", hasScript ? 3 : 1);
});

demoTest("shift chooses the rows between, and the bar says how many", async ({ page, as, hasScript }) => {
  demoTest.skip(!hasScript, "it needs JavaScript");
  demoTest.slow();
  await as("owner");
  for (const width of [390, 768, 1440]) {
    await page.setViewportSize({ width, height: 900 });
    await page.goto("/logs?preset=30d");
    await page.locator("html[data-alive]").waitFor();
    const boxes = page.getByRole("checkbox", { name: /^Choose the message to/ });
    await boxes.nth(1).click();
    await boxes.nth(4).click({ modifiers: ["Shift"] });
    const bar = page.getByRole("group", { name: "Chosen messages" });
    await expect(bar).toContainText("4 chosen");
    await expectNoFaults(page, hasScript);
    await bar.getByRole("button", { name: "Clear" }).click();
    await expect(bar).toBeHidden();
  }
});

demoTest("chosen rows are exported in 3 clicks", async ({ page, as }) => {
  await as("owner");
  await page.goto("/logs?preset=30d");
  const boxes = page.getByRole("checkbox", { name: /^Choose the message to/ });
  await boxes.nth(0).click();
  await boxes.nth(3).click();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Export chosen" }).click(),
  ]);
  expect(download.suggestedFilename()).toMatch(/^messages-.*\.csv$/);
  const lines = readFileSync((await download.path())!, "utf8").trimEnd().split("\r\n");
  expect(lines).toHaveLength(3);
  // The demo's people are in Europe/Berlin.
  expect(lines[0]).toMatch(/^\ufeffid,Status,Recipient,Recipient name,.*,Subject,Reason,Reply code,.*,Accepted \(Europe\/Berlin\)$/);
  expect(lines[1]).toMatch(/,\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0[12]:00$/);
  await expect(page.locator("main")).not.toHaveAttribute("data-pending");
  tell("chosen rows exported", 3);
});
