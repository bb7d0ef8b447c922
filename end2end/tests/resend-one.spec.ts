// Sending one message again: what the dialog says before, how it behaves, and what the new message's page shows after.

import { expect, expectAccessible, test } from "../fixtures.ts";

let template: string;

test.beforeAll(async ({ team, smtp: _target }) => {
  template = await team.api.createTemplate({ name: "Resend one", subject: "Outlook", text: "." });
});

test("the dialog says what a copy will likely meet, and who resent it before", async ({ page, as, team }) => {
  const to = "refused-outlook@example.com";
  const id = await team.api.send({ templateId: template, to });
  await team.api.waitFor(id, "bounced");

  await as("admin");
  await page.goto(`/logs/${id}`);
  await page.getByRole("button", { name: "Resend" }).click();
  const dialog = page.getByRole("dialog", { name: "Send this message again?" });
  await expect(dialog).toContainText("It will likely fail again: the address does not exist.");
  await expect(dialog).toContainText("Outlook");
  await expect(dialog).not.toContainText("resent already");
  await dialog.getByRole("button", { name: "Resend" }).click();
  await expect(page).not.toHaveURL(`/logs/${id}`);
  await expect(page.getByText("Resent. This is the new message.")).toBeVisible();
  const copy = new URL(page.url()).pathname.split("/").at(-1)!;
  // The address is suppressed since it bounced.
  await team.api.waitFor(copy, "failed");

  await page.goto(`/logs/${id}`);
  await page.getByRole("button", { name: "Resend" }).click();
  await expect(page.getByRole("dialog")).toContainText(/(was resent already|was sent again).* by /);
});

test("after a resend the way back leads to the row one came from", async ({ page, as, team }) => {
  const to = "refused-way-back@example.com";
  const id = await team.api.send({ templateId: template, to });
  await team.api.waitFor(id, "bounced");
  await as("admin");
  const list = `/logs?preset=30d&status=bounced&q=${to}`;
  await page.goto(list);
  await page.getByRole("row").filter({ hasText: to }).getByRole("link", { name: to, exact: true }).click();
  await expect(page).toHaveURL(`/logs/${id}`);
  await page.getByRole("button", { name: "Resend" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Resend" }).click();
  await expect(page.getByText("Resent. This is the new message.")).toBeVisible();
  await expect(page.getByRole("navigation", { name: "Neighbours in the list" })).toBeVisible();
  await page.getByRole("navigation", { name: "Breadcrumb" }).getByRole("link").click();
  await expect(page).toHaveURL(`${list}#${id}`);
});

test("the dialog is modal, takes the focus, and Escape gives it back", async ({ page, as, team }) => {
  const id = await team.api.send({ templateId: template, to: "refused-modal@example.com" });
  await team.api.waitFor(id, "bounced");
  await as("admin");
  await page.goto(`/logs/${id}`);
  const opener = page.getByRole("button", { name: "Resend" });
  await opener.focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Send this message again?" });
  await expect(dialog.getByRole("button", { name: "Resend" })).toBeFocused();
  await expect(page.locator("dialog:modal")).toHaveCount(1);
  await page.keyboard.press("Escape");
  await expect(dialog).toBeHidden();
  await expect(opener).toBeFocused();
  await opener.click();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await expect(dialog).toBeHidden();
});

test("the new message's page shows its state as it changes", async ({ page, as, team, hasScript }) => {
  test.skip(!hasScript, "without scripts the page is loaded anew");
  const to = "deferred-follow@example.com";
  const id = await team.api.send({ templateId: template, to });
  await as("admin");
  await page.goto(`/logs/${id}`);
  await expect(page.getByRole("main")).toContainText("It waits for its next attempt", { timeout: 15_000 });
});

test("a message is sent to another address with other variables, and both say so", async ({ page, as, team, hasScript }) => {
  const named = await team.api.createTemplate({ name: "Resend changed", subject: "Hello {{ name }}", text: "Dear {{ name }}." });
  const to = "refused-changed@example.com";
  const id = await team.api.send({ templateId: named, to, variables: { name: "Ada" } });
  await team.api.waitFor(id, "bounced");

  await as("admin");
  await page.goto(`/logs/${id}`);
  await page.getByRole("button", { name: "Resend" }).click();
  await page.getByRole("dialog").getByRole("link", { name: "Change something first" }).click();
  await expect(page).toHaveURL(new RegExp(`/logs/${id}/resend`));
  const what = page.getByRole("region", { name: "What will happen" });
  await expect(what).toContainText(`It goes to ${to}.`);

  await page.getByLabel("Another address").fill("ada-changed@example.com");
  await page.getByLabel("Variables").fill('{"name": "Bob"}');
  if (!hasScript) await what.getByRole("button", { name: "Check" }).click();
  await expect(what).toContainText(`It goes to ada-changed@example.com instead of ${to}.`);
  await expect(what).toContainText("Its subject is “Hello Bob”.");
  await expect(what).toContainText("Changed variables: name.");
  if (hasScript) await expectAccessible(page);

  await what.getByRole("button", { name: "Resend" }).click();
  await expect(page.getByText("Resent. This is the new message.")).toBeVisible();
  await expect(page.getByRole("main")).toContainText(`Resent to another address instead of ${to}, variables edited: name.`);
  await page.getByRole("link", { name: "Show the original" }).click();
  await expect(page).toHaveURL(`/logs/${id}`);
  await expect(page.getByRole("main")).toContainText("to another address, variables edited: name");
});
