// The choice of colours: at once with a script, by a form without, and kept either way.

import { expect, test } from "../fixtures.ts";
import type { Page } from "@playwright/test";

/** Whether the page's text is brighter than a medium grey. */
async function isDark(page: Page): Promise<boolean> {
  const rgb = await page.evaluate(() => {
    const canvas = document.createElement("canvas").getContext("2d")!;
    canvas.fillStyle = getComputedStyle(document.body).color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  });
  return rgb.reduce((sum, part) => sum + part) > 3 * 128;
}

test("the switch chooses light, dark, or what the system says", async ({ page, as }) => {
  await as("viewer");
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto("/logs");
  const colours = page.getByRole("group", { name: "Colours" });
  const choice = (name: string) => colours.getByRole("button", { name });
  await expect(choice("Follow the system")).toHaveAttribute("aria-pressed", "true");
  expect(await isDark(page)).toBe(false);

  const saved = page.waitForResponse(/\/fn\/set_theme/);
  await choice("Dark").click();
  await saved;
  await expect(choice("Dark")).toHaveAttribute("aria-pressed", "true");
  await expect.poll(() => isDark(page)).toBe(true);
  await page.goto("/templates");
  await expect(choice("Dark")).toHaveAttribute("aria-pressed", "true");
  await expect.poll(() => isDark(page)).toBe(true);
  await page.goto("/settings/profile");

  await page.emulateMedia({ colorScheme: "dark" });
  const light = page.waitForResponse(/\/fn\/set_theme/);
  await choice("Light").click();
  await light;
  await expect(choice("Light")).toHaveAttribute("aria-pressed", "true");
  await expect(page).toHaveURL(/\/settings\/profile\??$/);
  await expect.poll(() => isDark(page)).toBe(false);

  const system = page.waitForResponse(/\/fn\/set_theme/);
  await choice("Follow the system").click();
  await system;
  await expect(choice("Follow the system")).toHaveAttribute("aria-pressed", "true");
  await page.reload();
  await expect.poll(() => isDark(page)).toBe(true);
});
