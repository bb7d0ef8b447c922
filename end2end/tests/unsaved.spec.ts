// A form that was changed and not sent asks before it is left.

import { expect, test } from "../fixtures.ts";
import type { Page } from "@playwright/test";

/** Answers each question of the page by staying; which there were. */
function staying(page: Page): string[] {
  const asked: string[] = [];
  page.on("dialog", (dialog) => {
    asked.push(dialog.type());
    return dialog.dismiss();
  });
  return asked;
}

test("a changed form asks before it is left, and one that is as it was does not", async ({ page, as, hasScript }) => {
  test.skip(!hasScript, "without a script no page asks");
  const asked = staying(page);
  await as("admin");
  await page.goto("/templates/new");
  await expect(page.locator("html")).toHaveAttribute("data-alive");
  const subject = page.getByLabel("Subject");
  // Browsers ask only where somebody has done something.
  await subject.click();
  await subject.pressSequentially("Hello");
  await page.getByRole("link", { name: "Cancel" }).click();
  await expect.poll(() => asked).toEqual(["beforeunload"]);
  await expect(page).toHaveURL("/templates/new");
  await expect(subject).toHaveValue("Hello");
  await expect(page.locator("main")).not.toHaveAttribute("data-pending");
  await subject.fill("");
  await page.getByRole("link", { name: "Cancel" }).click();
  await expect(page).toHaveURL("/templates");
  expect(asked).toEqual(["beforeunload"]);
});

test("previews and forms that are sent do not ask, and what was only tested still does", async ({ page, as, hasScript }) => {
  test.skip(!hasScript, "without a script no page asks");
  const asked = staying(page);
  await as("admin");
  await page.goto("/templates/new");
  await expect(page.locator("html")).toHaveAttribute("data-alive");
  await page.getByLabel("Name", { exact: true }).fill("Unsaved");
  await page.getByLabel("Subject").click();
  await page.getByLabel("Subject").pressSequentially("Hello");
  await page.getByLabel("Text body").fill("Dear reader");
  await page.getByRole("button", { name: "Preview" }).click();
  await expect(page.frameLocator("iframe[name=template-preview]").getByText("Dear reader")).toBeVisible();
  await page.getByRole("button", { name: "Send me a test" }).click();
  await expect(page.getByText("accepted the test message")).toBeVisible();
  expect(asked).toEqual([]);
  await expect(page.locator("html")).toHaveAttribute("data-alive");
  await page.getByLabel("Subject").click();
  await page.getByRole("link", { name: "Cancel" }).click();
  await expect.poll(() => asked).toEqual(["beforeunload"]);
  await page.getByRole("button", { name: "Create the template" }).click();
  await expect(page.getByText("Template “Unsaved” created.")).toBeVisible();
  await page.getByRole("link", { name: "Cancel" }).click();
  await expect(page).toHaveURL("/templates");
  expect(asked).toEqual(["beforeunload"]);
});

test("a role that was chosen and not saved asks", async ({ page, as, team, hasScript }) => {
  test.skip(!hasScript, "without a script no page asks");
  const asked = staying(page);
  await as("owner");
  await page.goto("/settings/members");
  await expect(page.locator("html")).toHaveAttribute("data-alive");
  const role = page.getByRole("row").filter({ hasText: team.users.viewer.email }).getByRole("combobox");
  await page.getByRole("heading", { level: 1 }).click();
  await role.selectOption({ label: "Member" });
  await page.getByRole("link", { name: "Templates" }).first().click();
  await expect.poll(() => asked).toEqual(["beforeunload"]);
  await role.selectOption({ label: "Viewer" });
  await page.getByRole("link", { name: "Templates" }).first().click();
  await expect(page).toHaveURL("/templates");
  expect(asked).toEqual(["beforeunload"]);
});

test("a role that was chosen and not saved does not look saved", async ({ page, as, team, hasScript }) => {
  test.skip(!hasScript, "without a script the page does not follow the choice");
  await as("owner");
  await page.goto("/settings/members");
  await expect(page.locator("html")).toHaveAttribute("data-alive");
  const row = page.getByRole("row").filter({ hasText: team.users.viewer.email });
  const words = row.getByText("Not saved");
  const save = row.getByRole("button", { name: "Save" });
  await expect(words).toBeHidden();
  const before = await save.evaluate((button) => getComputedStyle(button).backgroundColor);
  await row.getByRole("combobox").selectOption({ label: "Member" });
  await expect(words).toBeVisible();
  await expect(save).not.toHaveCSS("background-color", before);
  // Nobody else's is meant.
  await expect(page.getByText("Not saved").filter({ visible: true })).toHaveCount(1);
  await row.getByRole("combobox").selectOption({ label: "Viewer" });
  await expect(words).toBeHidden();
  await expect(save).toHaveCSS("background-color", before);
});
