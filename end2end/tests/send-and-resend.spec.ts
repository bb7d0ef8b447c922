// Real mail: what is accepted by the API goes out by SMTP, what became of it is on its page, and what was refused can
// be sent again by those who may.

import { expect, sessionOf, test } from "../fixtures.ts";
import type { Page } from "@playwright/test";

let template: string;
/** Deferred by the target at first; sent before everything else, so that the worker's pause overlaps with it. */
let deferred: { id: string; to: string };

test.beforeAll(async ({ team, smtp: _target }) => {
  template = await team.api.createTemplate({
    name: "Receipt",
    subject: "Receipt {{ number }} für {{ name }}",
    html: "<h1>Thank you, {{ name }}</h1><p>Number {{ number }}.</p>",
    text: "Thank you, {{ name }}. Number {{ number }}.",
  });
  deferred = { id: "", to: "deferred-ada@example.com" };
  deferred.id = await team.api.send(message(deferred.to, 451));
});

function message(to: string, number: number) {
  return { templateId: template, to, variables: { name: "Ada <3", number } };
}

async function expectStatus(page: Page, status: string): Promise<void> {
  await expect(page.locator(".page-head").getByText(status, { exact: true })).toBeVisible();
}

test("an accepted message arrives, and its page says so", async ({ page, as, team, smtp }) => {
  const to = "accepted-ada@example.com";
  const id = await team.api.send(message(to, 1));
  const [{ message: arrived, sender }] = await smtp.waitFor(to);
  expect(arrived.subject).toBe("Receipt 1 für Ada <3");
  expect(arrived.html).toContain("<h1>Thank you, Ada &lt;3</h1>");
  expect(arrived.text?.trim()).toBe("Thank you, Ada <3. Number 1.");
  expect(sender).toBe("hello@acme.example");
  await team.api.waitFor(id, "sent");

  await as("viewer");
  await page.goto("/logs");
  const row = page.getByRole("row").filter({ hasText: "Receipt 1 für" });
  await expect(row).toContainText("Sent");
  await row.getByRole("link", { name: to, exact: true }).click();

  await expect(page).toHaveURL(`/logs/${id}`);
  await expectStatus(page, "Sent");
  const timeline = page.getByRole("region", { name: "What happened" });
  await expect(timeline.getByRole("listitem").first()).toContainText("Sent");
  await expect(timeline).toContainText("2.0.0 kept");
});

test("a refused message has bounced, with the server's words", async ({ page, as, team, smtp }) => {
  const to = "refused-bob@example.com";
  const id = await team.api.send(message(to, 2));
  const { errorMessage } = await team.api.waitFor(id, "bounced");
  expect(errorMessage).toContain("no such mailbox");
  expect(smtp.to(to)).toEqual([]);

  await as("viewer");
  await page.goto(`/logs/${id}`);
  await expectStatus(page, "Bounced");
  const answer = page.getByRole("region", { name: "The address does not exist" });
  await expect(answer).toContainText("no such mailbox");
  await expect(answer).toContainText("The recipient’s");
  await expect(answer).toContainText("please tell us which one we should write to");
  await expect(answer).toContainText("Helps once something has changed");
  await expect(page.getByRole("region", { name: "What happened" })).toContainText(`550 5.1.1 <${to}>: no such mailbox`);
});

test("an admin resends from the message's page", async ({ page, as, team, smtp }) => {
  const to = "refused-once-page@example.com";
  const id = await team.api.send(message(to, 3));
  await team.api.waitFor(id, "bounced");

  await as("admin");
  await page.goto(`/logs/${id}`);
  await page.getByRole("button", { name: "Resend" }).click();
  const dialog = page.getByRole("dialog", { name: "Send this message again?" });
  await expect(dialog).toContainText(to);
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await expect(dialog).toBeHidden();
  expect(smtp.to(to)).toEqual([]);

  await page.getByRole("button", { name: "Resend" }).click();
  await dialog.getByRole("button", { name: "Resend" }).click();
  await expect(page).not.toHaveURL(`/logs/${id}`);
  await expect(page.getByText("Resent. This is the new message.")).toBeVisible();
  const newId = new URL(page.url()).pathname.split("/").at(-1)!;

  const [{ message: arrived }] = await smtp.waitFor(to);
  expect(arrived.subject).toBe("Receipt 3 für Ada <3");
  expect(arrived.text?.trim()).toBe("Thank you, Ada <3. Number 3.");
  await team.api.waitFor(newId, "sent");

  await page.reload();
  await expectStatus(page, "Sent");
  await page.getByRole("region", { name: "Message" }).getByRole("link", { name: id }).click();
  await expect(page).toHaveURL(`/logs/${id}`);
  await expectStatus(page, "Bounced");
  await page.getByRole("region", { name: "Message" }).getByRole("link", { name: newId }).click();
  await expect(page).toHaveURL(`/logs/${newId}`);
});

test("an admin resends from the list", async ({ page, as, team, smtp }) => {
  const to = "refused-once-list@example.com";
  const id = await team.api.send(message(to, 4));
  await team.api.waitFor(id, "bounced");

  await as("admin");
  await page.goto(`/logs?status=bounced&search=${to}`);
  const row = page.getByRole("row").filter({ hasText: to });
  await row.getByRole("button", { name: "Resend" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText(to);
  await dialog.getByRole("button", { name: "Resend" }).click();

  await expect(page).toHaveURL(/\/logs\/eml_/);
  await expect(page).not.toHaveURL(`/logs/${id}`);
  await expect(page.getByRole("region", { name: "Message" }).getByRole("link", { name: id })).toBeVisible();
  await smtp.waitFor(to);
});

test("a viewer has no button and is refused", async ({ page, as, team }) => {
  const to = "refused-viewer@example.com";
  const id = await team.api.send(message(to, 5));
  await team.api.waitFor(id, "bounced");

  await as("viewer");
  await page.goto(`/logs?search=${to}`);
  await expect(page.getByRole("row").filter({ hasText: to })).toBeVisible();
  await expect(page.getByRole("button", { name: "Resend" })).toHaveCount(0);
  await page.goto(`/logs/${id}`);
  await expectStatus(page, "Bounced");
  await expect(page.getByRole("button", { name: "Resend" })).toHaveCount(0);

  const refused = await fetch(`${team.url}/api/logs/${id}/resend`, {
    method: "POST",
    headers: { Cookie: `session=${await sessionOf(team, "viewer")}`, Origin: team.url },
  });
  expect(refused.status).toBe(403);
  expect(await refused.json()).toMatchObject({
    success: false,
    error: { code: "FORBIDDEN", message: "Missing permission: logs:resend" },
  });
  const form = await page.request.post("/fn/resend_email", { form: { id }, maxRedirects: 0 });
  expect(form.headers()["location"] ?? "").not.toMatch(/eml_(?!$)/);
  expect((await team.api.find(id)).status).toBe("bounced");
});

test("where resending cannot work, the page says why", async ({ page, as, team }) => {
  const waiting = await team.api.send(message("deferred-obstacle@example.com", 6));
  await as("admin");
  await page.goto(`/logs/${waiting}`);
  const reason = "It is still on its way";
  await expect(page.getByText(reason)).toBeVisible();
  await expect(page.getByRole("button", { name: "Resend" })).toBeDisabled();
  await expect(page.getByRole("button", { name: "Resend" })).toHaveAccessibleDescription(reason);
});

test("an admin resends what was sent, on purpose, and what has lost its template", async ({ page, as, team }) => {
  const sent = await team.api.send(message("fine@example.com", 7));
  await team.api.waitFor(sent, "sent");
  const shortLived = await team.api.createTemplate({ name: "Short-lived", subject: "Soon gone", text: "." });
  const orphan = await team.api.send({ templateId: shortLived, to: "refused-orphan@example.com" });
  await team.api.waitFor(orphan, "bounced");
  await team.api.deleteTemplate(shortLived);

  await as("admin");
  for (const [id, title, label] of [
    [sent, "Send this message once more?", "Send once more"],
    [orphan, "Send this message again?", "Resend"],
  ]) {
    await page.goto(`/logs/${id}`);
    await page.getByRole("button", { name: "Resend" }).click();
    await page.getByRole("dialog", { name: title }).getByRole("button", { name: label }).click();
    await expect(page).not.toHaveURL(`/logs/${id}`);
    await expect(page.getByText("Resent. This is the new message.")).toBeVisible();
  }
});

// Last, so that most of the worker's pause before the second attempt has passed.
test("a deferred message waits, is tried again and arrives", async ({ page, as, team, smtp }) => {
  test.setTimeout(90_000);
  await as("viewer");
  if (smtp.to(deferred.to).length === 0) {
    await page.goto(`/logs/${deferred.id}`);
    await expectStatus(page, "Queued");
    await expect(page.getByRole("main")).toContainText("It waits for its next attempt");
    await expect(page.getByRole("main")).toContainText("greylisted, try again later");
  }

  await smtp.waitFor(deferred.to, 1, 60_000);
  await team.api.waitFor(deferred.id, "sent");
  await page.goto(`/logs/${deferred.id}`);
  await expectStatus(page, "Sent");
  const timeline = page.getByRole("region", { name: "What happened" });
  await expect(timeline.getByText("Deferred", { exact: true })).toBeVisible();
  await expect(timeline).toContainText(`451 4.7.1 <${deferred.to}>: greylisted, try again later`);
  await expect(timeline.getByRole("listitem").first()).toContainText("Sent");
});

test("a link shows a colleague in Tokyo the same seven rows", async ({ page, as, team, open }) => {
  const order = `tokyo-${Date.now()}`;
  for (let index = 0; index < 7; index++) {
    await team.api.send({ ...message(`${order}-${index}@example.com`, index), metadata: { order } });
  }
  const rows = (page: Page) => page.getByRole("region", { name: "Messages" }).locator("tbody").getByRole("row");
  await as("member");
  await page.goto("/logs");
  const field = page.getByLabel("Search messages");
  await field.fill(`meta.order:${order}`);
  await field.press("Enter");
  await expect(rows(page)).toHaveCount(7);
  // A period by the member's own clock is in the address by instants.
  await page.getByRole("navigation", { name: "Period" }).locator("summary").click();
  await page.getByLabel("In words").fill("last 3 hours");
  await page.getByLabel("In words").press("Enter");
  await expect(page).toHaveURL(/from=[^&]+Z&/);
  await expect(rows(page)).toHaveCount(7);
  console.log("a link for a colleague in Tokyo: 0 clicks, the address itself");

  const colleague = await open("admin");
  const setZone = async (zone: string) => {
    await colleague.goto("/settings/profile");
    await colleague.getByLabel("Time zone").fill(zone);
    await colleague.getByRole("button", { name: "Save" }).click();
    await expect(colleague.getByText("Profile saved.")).toBeVisible();
  };
  await colleague.goto("/settings/profile");
  const zone = await colleague.getByLabel("Time zone").inputValue();
  await setZone("Asia/Tokyo");
  await colleague.goto(page.url());
  await expect(colleague.locator(".period-zone")).toHaveText("Asia/Tokyo");
  await expect(rows(colleague)).toHaveCount(7);
  await setZone(zone);
});
