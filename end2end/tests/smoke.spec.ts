import { expect, expectAccessible, test } from "../fixtures.ts";

test("the log-in page asks for address and password", async ({ page, hasScript }) => {
  await page.goto("/login");

  await expect(page.getByRole("textbox", { name: /e-?mail/i })).toBeVisible();
  await expect(page.getByLabel(/password/i)).toBeVisible();
  await expect(page.getByRole("button", { name: /log in|sign in/i })).toBeEnabled();
  if (hasScript) {
    await expectAccessible(page);
  }
});
