// Every page, light and dark, wide and narrow: axe-core finds nothing, nothing overflows sideways, and the keyboard
// reaches what the mouse does. axe-core is a script itself; without scripts the pages are the same HTML, and only their
// width is looked at.

import { createTeam, demoTest, expect, expectAccessible, test as freshTest } from "../fixtures.ts";
import type { Page } from "@playwright/test";

const test = demoTest;

const wide = { width: 1440, height: 900 };
const narrow = { width: 390, height: 844 };

async function expectGoodEverywhere(page: Page, hasScript: boolean): Promise<void> {
  // A theme changes colours and nothing else, so of every size one theme is looked at for everything.
  const looks = [
    ["light", wide, undefined],
    ["dark", wide, ["color-contrast"]],
    ["dark", narrow, undefined],
    ["light", narrow, ["color-contrast"]],
  ] as const;
  for (const [colorScheme, size, rules] of looks) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.setViewportSize(size);
    if (hasScript) {
      await expectAccessible(page, { rules: rules && [...rules] });
    }
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow, `pixels that ${page.url()} is too wide at ${size.width}`).toBeLessThanOrEqual(0);
  }
}

/** Pages of the demo that an owner sees, with the status they answer with. */
const pages: [name: string, address: string, status: number][] = [
  ["log", "/logs?preset=30d", 200],
  ["log with filters", "/logs?status=bounced,failed&search=e&preset=30d&page=2", 200],
  ["log of a custom period", "/logs?preset=custom&from=2026-11-27T11:00:00Z&to=2026-11-29T15:00:00Z", 200],
  ["empty log", "/logs?search=nobody-at-all", 200],
  ["wrong address", "/logs?page=0", 400],
  ["log of a channel", "/logs?preset=30d&channel=sms", 200],
  ["unknown page", "/nowhere", 404],
  ["API requests", "/requests?preset=30d", 200],
  ["API requests with filters", "/requests?preset=30d&method=POST&status=4xx&agent=finch", 200],
  ["no API requests", "/requests?endpoint=nowhere-at-all", 200],
  ["wrong address of API requests", "/requests?status=404", 400],
  ["API requests of a recipient", "/requests?preset=30d&recipient=nobody@finch.example", 200],
  ["unknown message", "/logs/eml_0000000000000", 404],
  ["help", "/help/search", 200],
  ["all help", "/help/contents", 200],
  ["connect", "/connect", 200],
  ["templates", "/templates", 200],
  ["new template", "/templates/new", 200],
  ["profile", "/settings/profile", 200],
  ["members", "/settings/members", 200],
  ["roles", "/settings/roles", 200],
  ["a role", "/settings/roles/viewer", 200],
  ["the owners' role", "/settings/roles/owner", 200],
  ["team", "/settings/team", 200],
  ["adapters", "/settings/adapters", 200],
  ["a new adapter", "/settings/adapters?kind=smtp", 200],
  ["a new adapter of a provider", "/settings/adapters?kind=ses", 200],
  ["provider webhooks", "/settings/provider-webhooks", 200],
  ["webhooks", "/settings/webhooks", 200],
  ["suppressions", "/settings/suppressions", 200],
  ["imports", "/settings/imports?source=mailgun", 200],
  ["privacy", "/settings/privacy", 200],
  ["API keys", "/settings/api-keys", 200],
  ["audit log", "/settings/audit", 200],
  ["audit log of one thing", "/settings/audit?preset=all&object=viewer", 200],
  ["members found", "/settings/members?q=finch", 200],
  ["API reference", "/api-docs", 200],
];

for (const [name, address, status] of pages) {
  test(`${name}: nothing to find`, async ({ page, as, allowError, hasScript }) => {
    test.slow();
    if (status >= 400) {
      allowError(new RegExp(`${status}`));
    }
    await as("owner");
    const response = await page.goto(address);
    expect(response?.status()).toBe(status);
    await expectGoodEverywhere(page, hasScript);
  });
}

// The same HTML before it is hydrated: its scripts never come.
for (const [name, address, status] of pages.filter(([, address]) => address.startsWith("/settings/"))) {
  test(`${name}, not hydrated: nothing to find`, async ({ page, as, allowError, hasScript }) => {
    test.skip(!hasScript, "axe-core is a script");
    test.slow();
    allowError(/ERR_FAILED|Failed to load|Failed to fetch dynamically imported module/);
    await page.route("**/pkg/*/*.{js,wasm}", (route) => route.abort());
    await as("owner");
    const response = await page.goto(address);
    expect(response?.status()).toBe(status);
    await expectGoodEverywhere(page, hasScript);
  });
}

test("an API key: nothing to find", async ({ page, as, hasScript }) => {
  test.slow();
  await as("owner");
  await page.goto("/settings/api-keys");
  await page.getByRole("link", { name: "checkout-prod" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "checkout-prod" })).toBeVisible();
  await expectGoodEverywhere(page, hasScript);
});

freshTest("setting up a second factor: nothing to find", async ({ page, as, sendlog, smtp, hasScript }) => {
  freshTest.slow();
  await as("member", await createTeam(sendlog, smtp, `factor-${hasScript}`));
  await page.goto("/settings/profile");
  await page.getByRole("button", { name: "Set up" }).click();
  await expect(page.getByRole("img", { name: /QR/ })).toBeVisible();
  await expectGoodEverywhere(page, hasScript);
});

for (const address of ["/login", "/login/code", "/forgot"]) {
  test(`${address}: nothing to find`, async ({ page, hasScript }) => {
    test.slow();
    await page.goto(address);
    await expectGoodEverywhere(page, hasScript);
  });
}

for (const status of ["bounced", "clicked", "queued"]) {
  test(`a ${status} message: nothing to find`, async ({ page, as, hasScript }) => {
    test.slow();
    await as("owner");
    await page.goto(`/logs?preset=30d&status=${status}`);
    await page.locator("tbody .row-link").first().click();
    await expect(page.getByRole("region", { name: "What happened" })).toBeVisible();
    await expectGoodEverywhere(page, hasScript);
  });
}

for (const [name, address] of [
  ["an API request", "/requests?preset=30d&endpoint=notificationapi"],
  ["a refused API request", "/requests?preset=30d&status=4xx"],
]) {
  test(`${name}: nothing to find`, async ({ page, as, hasScript }) => {
    test.slow();
    await as("owner");
    await page.goto(address);
    await page.locator("tbody").getByRole("link").first().click();
    await expect(page.getByRole("region", { name: "Response body" })).toBeVisible();
    await expectGoodEverywhere(page, hasScript);
  });
}

test("a notification: nothing to find", async ({ page, as, hasScript }) => {
  test.slow();
  await as("owner");
  await page.goto("/logs?preset=30d&channel=push");
  await page.locator("tbody .row-link").first().click();
  await expectGoodEverywhere(page, hasScript);
  await page.getByRole("link", { name: /^notification ntf_/ }).click();
  await expect(page.getByRole("region", { name: "Notification" })).toBeVisible();
  await expectGoodEverywhere(page, hasScript);
});

test("a template with versions: nothing to find", async ({ page, as, hasScript }) => {
  test.slow();
  await as("owner");
  await page.goto("/templates");
  await page.locator("tbody").getByRole("link").first().click();
  await expect(page.getByRole("region", { name: "Versions" })).toBeVisible();
  await expectGoodEverywhere(page, hasScript);
});

freshTest("set-up, invitation and first run: nothing to find", async ({ page, as, sendlog, smtp, hasScript }) => {
  freshTest.slow();
  await page.goto("/setup?token=any");
  await expectGoodEverywhere(page, hasScript);
  const team = await createTeam(sendlog, smtp, `first-run-${hasScript}`);
  await as("owner", team);
  await page.goto("/logs");
  await expectGoodEverywhere(page, hasScript);
  await page.goto("/settings/members");
  await page.getByLabel("Email address").fill("guest@example.com");
  await page.getByRole("button", { name: "Invite" }).click();
  const link = await page.getByText(/^http\S+\/invite\/\S+$/).innerText();
  await expectGoodEverywhere(page, hasScript);
  await page.goto(link);
  await expectGoodEverywhere(page, hasScript);
});

test("open menus and dialogs: nothing to find", async ({ page, as, hasScript }) => {
  test.slow();
  await as("owner");
  await page.goto("/logs?preset=30d&status=bounced");
  await page.emulateMedia({ reducedMotion: "reduce" });
  for (const menu of ["Other…", "Status", "Template", "Channel"]) {
    const opener = page.locator("summary").filter({ hasText: menu });
    await opener.click();
    if (hasScript) await expectAccessible(page); // axe-core is a script
    await opener.click();
  }
  await page.getByRole("button", { name: "Resend" }).first().click();
  await expect(page.getByRole("dialog")).toBeVisible();
  if (hasScript) await expectAccessible(page);
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();

  await page.setViewportSize(narrow);
  await page.getByRole("button", { name: "Menu" }).click();
  await expect(page.getByRole("navigation", { name: "Main" })).toBeVisible();
  if (hasScript) await expectAccessible(page);
  await page.getByRole("link", { name: "Templates" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Templates" })).toBeVisible();
});

test("the first Tab reaches the way past the navigation", async ({ page, as }) => {
  await as("owner");
  await page.goto("/logs");
  await page.keyboard.press("Tab");
  const skip = page.getByRole("link", { name: "Skip to the content" });
  await expect(skip).toBeFocused();
  await expect(skip).toBeInViewport();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();
});

test("the resend dialog takes the focus, and Escape gives it back", async ({ page, as }) => {
  await as("owner");
  await page.goto("/logs?preset=30d&status=bounced");
  const opener = page.getByRole("button", { name: "Resend" }).first();
  await opener.focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await expect(dialog).toBeVisible();
  await expect(dialog.getByRole("button", { name: "Resend" })).toBeFocused();
  await page.keyboard.press("Shift+Tab");
  await expect(dialog.getByRole("button", { name: "Cancel" })).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(dialog).toBeHidden();
  await expect(opener).toBeFocused();
});
