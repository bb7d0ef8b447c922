// Addresses that are not written to: how they come onto the list, what is sent to one, and how they leave it.

import { createTeam, expect, expectAccessible, test, type SendingTeam } from "../fixtures.ts";

let team: SendingTeam;
let template: string;

test.beforeAll(async ({ sendlog, smtp }) => {
  team = await createTeam(sendlog, smtp, "suppressions");
  template = await team.api.createTemplate({ name: "Seeds", subject: "Seeds", html: "<p>Seeds are in</p>", text: "Seeds are in" });
});

test("an address that bounces is suppressed, what is sent to it is dropped, and it is lifted with a reason", async ({ page, as, smtp, hasScript }) => {
  await as("admin", team);
  const refused = `refused-${hasScript}@example.com`;
  const bounced = await team.api.send({ templateId: template, to: refused });
  await team.api.waitFor(bounced, "bounced");
  const dropped = await team.api.send({ templateId: template, to: refused });
  await team.api.waitFor(dropped, "failed");
  await page.goto(`/logs/${dropped}`);
  await expect(page.getByRole("region", { name: "What happened" })).toContainText("the address is on the suppression list");

  await page.goto("/settings/adapters");
  await page.getByRole("link", { name: "Suppressions" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Suppressions" })).toBeVisible();
  await page.getByRole("searchbox", { name: "Search for an address" }).fill(refused.toUpperCase());
  await page.getByRole("button", { name: "Filter" }).click();
  const row = page.getByRole("row").filter({ hasText: refused });
  await expect(row).toContainText("Hard bounce");
  await expect(page.getByText("1 address", { exact: true })).toBeVisible();
  if (hasScript) {
    await expectAccessible(page);
  }
  await row.getByRole("link", { name: `The message to ${refused} that caused it` }).click();
  await expect(page).toHaveURL(`/logs/${bounced}`);
  await page.goBack();

  await row.getByRole("button", { name: `Write to ${refused} again` }).click();
  const dialog = page.getByRole("dialog", { name: `Write to ${refused} again?` });
  await dialog.getByLabel("Reason").fill("The mailbox is there again");
  await dialog.getByRole("button", { name: "Lift" }).click();
  await expect(page.getByText(`${refused} can be written to again.`)).toBeVisible();
  await expect(row).toHaveCount(0);
  expect(smtp.to(refused)).toHaveLength(0);
});

test("a provider's list is brought along, and what cannot be read is said", async ({ page, as, hasScript }) => {
  await as("admin", team);
  await page.goto("/settings/suppressions");
  const [ada, bob] = [`ada-${hasScript}@example.com`, `bob-${hasScript}@example.com`];
  const file = `EmailAddress,SuppressionReason,CreatedAt\n${ada},SpamComplaint,2026-01-20T12:00:00Z\n${bob},HardBounce,2026-01-21T12:00:00Z\nnobody,HardBounce,\n`;
  const typed = `typed-${hasScript}@example.com`;
  await page.getByRole("textbox", { name: "Addresses", exact: true }).fill(typed);
  await page.getByLabel("Or a file").setInputFiles({ name: "list.csv", mimeType: "text/csv", buffer: Buffer.from(file) });
  await page.getByRole("button", { name: "Suppress", exact: true }).click();
  await expect(page.getByText("3 addresses are suppressed. 1 line was left out, the first of them line 4")).toBeVisible();
  await page.getByRole("combobox", { name: "Why" }).selectOption({ label: "Marked as spam" });
  await page.getByRole("button", { name: "Filter" }).click();
  await expect(page.getByRole("row").filter({ hasText: ada })).toBeVisible();
  await expect(page.getByRole("row").filter({ hasText: bob })).toHaveCount(0);
  await expect(page.getByRole("row").filter({ hasText: typed })).toHaveCount(0);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "CSV" }).click()]);
  expect(download.suggestedFilename()).toBe("suppressions.csv");

  await as("viewer", team);
  await page.goto("/settings/suppressions");
  await expect(page.getByRole("row").filter({ hasText: ada })).toBeVisible();
  await expect(page.getByRole("textbox", { name: "Addresses", exact: true })).toHaveCount(0);
  await expect(page.getByRole("button", { name: /again$/ })).toHaveCount(0);
});
