// The chart over the list of the log: its keys, and what stands under it.

import { demoTest, expect } from "../fixtures.ts";

const test = demoTest;

test.beforeEach(async ({ as }) => as("member"));

test("the chart is one stop of the keyboard, and its arrows go on", async ({ page, hasScript }) => {
  test.skip(!hasScript, "without scripts each bar is a link of its own");
  await page.goto("/logs");
  const bars = page.locator(".bar-link");
  await expect(page.locator(".bar-link[tabindex='0']")).toHaveCount(1);
  await bars.last().focus();
  await page.keyboard.press("ArrowLeft");
  await expect(bars.nth(-2)).toBeFocused();
  await page.keyboard.press("Home");
  await expect(bars.first()).toBeFocused();
  await expect(page.locator(".bar-link[tabindex='0']")).toHaveCount(1);
});

test("the words under the chart do not touch, however wide the chart itself is", async ({ page }) => {
  // The chart stands beside the cards in the wider ones, and is narrower there than in the narrowest.
  for (const width of [700, 1440, 1920]) {
    await page.setViewportSize({ width, height: 900 });
    for (const preset of ["24h", "7d", "30d", "90d"]) {
      await page.goto(`/logs?preset=${preset}`);
      const places = await page.locator(".tick").evaluateAll((ticks) =>
        ticks
          .map((tick) => tick.getBoundingClientRect())
          .filter((place) => place.width > 0)
          .map(({ left, right }) => ({ left, right })),
      );
      expect(places.length).toBeGreaterThan(2);
      places.sort((one, other) => one.left - other.left);
      for (let index = 1; index < places.length; index++) {
        expect(places[index - 1]!.right, `${preset} at ${width}`).toBeLessThanOrEqual(places[index]!.left);
      }
    }
  }
});

test("the tooltip names what a click shows", async ({ page }) => {
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto("/logs?preset=30d");
  // The spike's: others are half a pixel high.
  const heights = await page.locator(".bar").evaluateAll((bars) =>
    bars.map((bar) => bar.querySelector("rect[data-key='lost']")?.getBoundingClientRect().height ?? 0),
  );
  const bar = page.locator(".bar").nth(heights.indexOf(Math.max(...heights)));
  const told = bar.locator(".tip-click:visible");
  await bar.locator("rect[data-key='lost']").hover();
  await expect(told).toHaveText(/^Click: the [\d,]+ bounced, failed, spam$/);
  const lost = /[\d,]+/.exec(await told.innerText())![0];
  await bar.locator(".bar-link").focus();
  await page.mouse.move(0, 0);
  await expect(told).toHaveText(/^Click or Enter: all [\d,]+ messages?$/);
  await bar.locator("rect[data-key='lost']").click();
  await expect(page.locator("#log-total")).toHaveText(new RegExp(`^${lost} messages?$`));
});
