// Periods in words, and what is said of those that cannot be read.

import { demoTest as test, expect } from "../fixtures.ts";

test.beforeEach(async ({ as }) => as("member"));

test("ten minutes of yesterday are typed, and have a bar a minute", async ({ page }) => {
  await page.goto("/logs");
  await page.locator("summary").filter({ hasText: "Other…" }).click();
  await page.getByLabel("In words").fill("16:40-16:50 yesterday");
  await page.getByLabel("In words").press("Enter");
  console.log("ten minutes yesterday: 3 clicks");
  await expect(page).toHaveURL(/preset=custom&from=[^&]*:40:00Z&to=[^&]*:50:00Z$/);
  await expect(page.getByRole("navigation", { name: "Period" })).toContainText("16:40 – 16:50");
  await expect(page.locator(".bar")).toHaveCount(10);
});

test("a day and a time are typed as people write them", async ({ page }) => {
  await page.goto("/logs");
  await page.locator("summary").filter({ hasText: "Other…" }).click();
  const field = page.getByLabel("In words");
  await expect(field).toHaveAccessibleDescription(/^Such as 28 Nov 9:10-9:20/);
  await field.fill("28.10.2026 9.10-9.20");
  await field.press("Enter");
  // The demo's people are in Europe/Berlin.
  await expect(page).toHaveURL(/preset=custom&from=2026-10-28T08:10:00Z&to=2026-10-28T08:20:00Z$/);
  await expect(page.getByRole("navigation", { name: "Period" })).toContainText("28 Oct 2026, 09:10 – 09:20");
});

test("a period that cannot be read is mended where it was typed", async ({ page, allowError }) => {
  allowError(/400/);
  for (const [query, words, typed] of [
    ["preset=custom&from=yesterday", "“yesterday” is not a date or time", "yesterday"],
    ["preset=custom&from=2026-11-02&to=2026-11-01", "ends before it begins", "2026-11-02 - 2026-11-01"],
    ["when=soon", "“soon” is not a period", "soon"],
    ["when=11/12/2026", "write “11 Dec 2026” or “12 Nov 2026”", "11/12/2026"],
  ]) {
    const response = await page.goto(`/logs?${query}&status=delivered`);
    expect(response?.status(), query).toBe(400);
    await expect(page.getByRole("alert")).toContainText(words);
    await expect(page.getByLabel("In words")).toHaveValue(typed);
    await page.getByLabel("In words").fill("last 3 weeks");
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await expect(page).toHaveURL(/from=.*status=delivered/);
  }
});
