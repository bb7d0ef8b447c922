// A message beside the list of the log: opened from its row, by a key or by a link, and followed from row to row.

import { demoTest, expect, expectAccessible } from "../fixtures.ts";
import type { Locator, Page } from "@playwright/test";

const test = demoTest;
const list = "/logs?preset=30d&status=bounced";

function panel(page: Page): Locator {
  return page.getByRole("region", { name: "Beside the list" });
}

function rows(page: Page): Locator {
  return page.getByRole("table", { name: "Messages" }).locator("tbody tr");
}

function subjectOf(page: Page, place: number): Promise<string> {
  return rows(page).nth(place).locator(".subject > span").innerText();
}

test.use({ viewport: { width: 1440, height: 900 } });

test("a link in the row shows the message beside the list, and the address says so", async ({ page, as, hasScript }) => {
  await as("viewer");
  await page.goto(list);
  const subject = await subjectOf(page, 1);
  await expect(panel(page)).toHaveCount(0);
  await rows(page).nth(1).getByRole("link", { name: /^Beside the list/ }).click();
  await expect(panel(page).getByRole("heading", { name: subject })).toBeVisible();
  await expect(panel(page)).toContainText("Whose problem");
  await expect(page).toHaveURL(/\/logs\?preset=30d&status=bounced&peek=eml_/);
  await expect(rows(page).nth(1)).toHaveAttribute("aria-current", "true");
  if (hasScript) {
    await expectAccessible(page);
  }

  await page.reload();
  await expect(panel(page).getByRole("heading", { name: subject })).toBeVisible();
  await panel(page).getByRole("link", { name: "Open" }).click();
  await expect(page).toHaveURL(/\/logs\/eml_/);
  await expect(page.getByRole("heading", { level: 1, name: subject })).toBeVisible();
});

test("it closes again, and the list is as it was", async ({ page, as }) => {
  await as("viewer");
  await page.goto(list);
  await rows(page).first().getByRole("link", { name: /^Beside the list/ }).click();
  await panel(page).getByRole("link", { name: "Close" }).click();
  await expect(panel(page)).toHaveCount(0);
  await expect(page).toHaveURL(/\/logs\?preset=30d&status=bounced(#eml_\w+)?$/);
});

test("keys open it, go from row to row and close it, and the focus stays in the list", async ({ page, as, hasScript }) => {
  test.skip(!hasScript, "keys need scripts");
  await as("viewer");
  await page.goto(list);
  await page.locator("html[data-alive]").waitFor();
  const [first, second] = [await subjectOf(page, 0), await subjectOf(page, 1)];
  await page.keyboard.press("j");
  await page.keyboard.press("p");
  await expect(panel(page).getByRole("heading", { name: first })).toBeVisible();
  await page.keyboard.press("j");
  await expect(panel(page).getByRole("heading", { name: second })).toBeVisible();
  await expect(rows(page).nth(1)).toHaveAttribute("aria-current", "true");
  await expect(rows(page).nth(1).locator(".row-link")).toBeFocused();
  await page.keyboard.press("p");
  await expect(panel(page)).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(panel(page)).toHaveCount(0);
  await expect(rows(page).nth(1).locator(".row-link")).toBeFocused();
  await expect(page).toHaveURL(list);
});

test("in a narrow window it stands over the list", async ({ page, as }) => {
  await as("viewer");
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto(list);
  const url = await rows(page).first().getByRole("link", { name: /^Beside the list/ }).getAttribute("href");
  for (const width of [390, 768]) {
    await page.setViewportSize({ width, height: 900 });
    await page.goto(url!);
    await expect(panel(page)).toContainText("Whose problem");
    const isWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    expect(isWide, `${width}`).toBe(false);
  }
});
