// From a spike of problems to its reason and to exactly its messages.

import { demoTest as test, expect, expectAccessible } from "../fixtures.ts";
import type { Locator, Page } from "@playwright/test";

function why(page: Page): Locator {
  return page.getByRole("region", { name: "Why" });
}

function numberIn(text: string): number {
  return Number(text.replaceAll(/[^\d]/g, ""));
}

async function totalOf(page: Page): Promise<number> {
  return numberIn(await page.getByRole("region", { name: "Messages" }).getByText(/^\s*[\d,]+ messages?\s*$/).innerText());
}

test("from the spike to its reason and exactly its messages: 1 click", async ({ page, as }) => {
  await as("member");
  await page.goto("/logs?preset=30d");
  const first = why(page).getByRole("table", { name: "Reasons", exact: true }).getByRole("row").nth(1);
  const count = numberIn(await first.getByRole("cell").first().locator("strong").innerText());
  const reason = (await first.getByRole("rowheader").innerText()).split(/ · |\n/)[0]!;
  await first.getByRole("link", { name: /^Show / }).click();
  await expect(page).toHaveURL(/preset=30d.*reason:[a-z-]+%20group:v1-[0-9a-f]{16}/);
  expect(await totalOf(page)).toBe(count);
  await expect(why(page)).toContainText(`${count.toLocaleString("en-GB")} bounced or failed`);
  await expect(page.locator(".log-table .remark").first()).toBeVisible();
  await expect(why(page).getByRole("rowheader").first()).toContainText(reason);
});

test("the reasons come to the problems of the list, whatever narrows it", async ({ page, as }) => {
  await as("member");
  for (const address of ["/logs?preset=30d", "/logs?preset=30d&status=bounced", "/logs?preset=30d&q=receipt"]) {
    await page.goto(address);
    const problems = numberIn((await why(page).getByText(/bounced or failed in \d+ groups?/).innerText()).split(" in ")[0]!);
    const more = why(page).locator("summary");
    if ((await more.count()) > 0) {
      await more.click();
    }
    let sum = 0;
    for (const count of await why(page).locator("tbody strong").allInnerTexts()) {
      sum += numberIn(count);
    }
    expect(sum).toBe(problems);
  }
});

test("a list without problems has no reasons", async ({ page, as }) => {
  await as("member");
  await page.goto("/logs?preset=30d&status=delivered");
  await expect(why(page)).toHaveCount(0);
});

test("the reasons have nothing that axe finds, wide and narrow, light and dark", async ({ page, as, hasScript }) => {
  test.slow();
  await as("member");
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const width of [390, 768, 1440]) {
      await page.setViewportSize({ width, height: 900 });
      await page.goto("/logs?preset=30d");
      if (width === 390) {
        // There the messages come first, and the reasons are behind a line.
        await expect(why(page).getByRole("table").first()).toBeHidden();
        await why(page).locator("label").click();
        await expect(why(page).getByRole("table").first()).toBeVisible();
      }
      const more = why(page).locator("summary");
      if ((await more.count()) > 0) {
        await more.click();
      }
      if (hasScript) {
        await expectAccessible(page);
      }
      expect(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)).toBe(false);
    }
  }
});
