// The log keeps itself up to date: rows change in place, new ones wait while somebody reads.

import { expect as patientExpect, test } from "../fixtures.ts";

/** The page is told every two seconds at best, and fetches what it is told of. */
const expect = patientExpect.configure({ timeout: 15_000 });

let template: string;

test.beforeEach(async ({ as, team }) => {
  test.slow();
  template ??= await team.api.createTemplate({ name: "Live", subject: "Live", text: "Hello" });
  await as("member");
});

test("a status changes in its row, and new messages are held back while one reads", async ({ page, team, hasScript }) => {
  const order = `live-${Date.now()}`;
  const send = (name: string) =>
    team.api.send({ to: `${order}-${name}@example.com`, templateId: template, metadata: { order } });
  const row = (name: string) => page.getByRole("row").filter({ hasText: `${order}-${name}@` });
  const first = await send("one");
  await team.api.waitFor(first, "sent");
  await page.goto(`/logs?q=meta.order:${order}`);
  await expect(row("one")).toContainText("Sent");
  if (!hasScript) {
    await send("two");
    await page.getByRole("link", { name: "Reload" }).click();
    await expect(row("two")).toBeVisible();
    return;
  }

  // The row's tick shows that the row is the one that was there.
  await row("one").getByRole("checkbox").check();
  await team.api.report(first, "delivered");
  await expect(row("one")).toContainText("Delivered");
  await expect(row("one").getByRole("checkbox")).toBeChecked();
  await expect(page.locator("#log-strip")).toContainText("100");

  await send("two");
  await send("three");
  const offer = page.locator("#new-rows");
  await expect(offer).toHaveText("2 new");
  await expect(page.locator("tbody").last().getByRole("row")).toHaveCount(1);
  await offer.click();
  await expect(row("three")).toBeVisible();
  await expect(row("two")).toBeVisible();
  await expect(offer).toBeHidden();
});

test("new messages come by themselves while nobody reads", async ({ page, team, hasScript }) => {
  test.skip(!hasScript, "without scripts a link reloads, see above");
  const order = `idle-${Date.now()}`;
  const send = (name: string) =>
    team.api.send({ to: `${order}-${name}@example.com`, templateId: template, metadata: { order } });
  await page.clock.install();
  await send("one");
  await page.goto(`/logs?q=meta.order:${order}`);
  const table = page.getByRole("table", { name: "Messages" });
  await expect(table.getByRole("row")).toHaveCount(2);
  await send("two");
  await expect(page.locator("#new-rows")).toHaveText("1 new");
  await page.clock.fastForward(11_000);
  await expect(table.getByRole("row")).toHaveCount(3);
  await expect(page.locator("#new-rows")).toBeHidden();
  await expect(page.locator("#log-total")).toHaveText("2 messages");
});

test("an empty list fills itself", async ({ page, team, hasScript }) => {
  test.skip(!hasScript, "without scripts a link reloads, see above");
  const order = `first-${Date.now()}`;
  await page.goto(`/logs?q=meta.order:${order}`);
  await expect(page.getByText("No messages with these filters")).toBeVisible();
  await team.api.send({ to: `${order}@example.com`, templateId: template, metadata: { order } });
  await expect(page.getByRole("row").filter({ hasText: order })).toBeVisible();
});
