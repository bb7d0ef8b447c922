// How the list of the log looks: columns and the height of rows, which this browser remembers, without a script too.

import { demoTest, expect, expectAccessible } from "../fixtures.ts";

const test = demoTest;

test("columns and dense rows are chosen, and stay on the next page", async ({ page, as, hasScript }) => {
  await as("viewer");
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto("/logs?preset=30d");
  const head = (name: string) => page.getByRole("columnheader", { name, exact: true });
  const row = page.getByRole("table", { name: "Messages" }).locator("tbody tr").first();
  await expect(head("Template")).toBeVisible();
  const height = async () => (await row.boundingBox())!.height;
  const comfortable = await height();

  const menu = page.locator("details.view-menu");
  await menu.locator("summary").click();
  await menu.getByLabel("Template").uncheck();
  await menu.getByLabel("Dense").check();
  if (hasScript) {
    await expectAccessible(page);
  }
  await menu.getByRole("button", { name: "Apply" }).click();
  await expect(head("Template")).toBeHidden();
  await expect(page).toHaveURL("/logs?preset=30d");
  await expect(head("Recipient")).toBeVisible();
  expect(await height()).toBeLessThan(comfortable);

  await page.goto("/logs?preset=7d");
  await expect(head("Template")).toBeHidden();
  await expect(head("Subject")).toBeVisible();

  await menu.locator("summary").click();
  await menu.getByLabel("Template").check();
  await menu.getByLabel("Comfortable").check();
  await menu.getByRole("button", { name: "Apply" }).click();
  await expect(head("Template")).toBeVisible();
});
