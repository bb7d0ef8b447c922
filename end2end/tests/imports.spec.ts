// A team brings its history along: from a file, and from another system's API, here the JetEmail of this server itself.

import { createTeam, expect, expectAccessible, test, type SendingTeam } from "../fixtures.ts";

let team: SendingTeam;
let other: SendingTeam;

test.beforeAll(async ({ sendlog, smtp }) => {
  team = await createTeam(sendlog, smtp, "imports");
  other = await createTeam(sendlog, smtp, "imports-source");
});

test("a file that a provider exported is read into the log, once", async ({ page, as, hasScript }) => {
  await as("admin", team);
  await page.goto("/settings/adapters");
  await page.getByRole("link", { name: "Imports" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Imports" })).toBeVisible();
  await page.getByLabel("Source").selectOption({ label: "SendGrid" });
  await page.getByRole("button", { name: "Choose" }).click();
  await expect(page.getByRole("region", { name: "From SendGrid’s API" })).toBeVisible();
  const record = (number: number) => ({
    msg_id: `${hasScript}-${number}.recvd`,
    from_email: "shop@finch.example",
    subject: `Order ${number}`,
    to_email: `history-${hasScript}-${number}@example.com`,
    events: [
      { event_name: "processed", processed: "2026-01-19T10:00:00Z" },
      { event_name: "delivered", processed: "2026-01-19T10:00:02Z", mx_server: "mx.example.com", reason: "250 OK" },
    ],
  });
  const lines = [0, 1, 2].map((number) => JSON.stringify(record(number))).join("\n");
  const file = { name: "history.jsonl", mimeType: "application/json", buffer: Buffer.from(lines) };
  for (const [events, known] of [["6 new", "0 known"], ["0 new", "6 known"]] as const) {
    await page.goto("/settings/imports?source=sendgrid");
    await page.getByLabel("File", { exact: true }).setInputFiles(file);
    await page.getByRole("region", { name: "From a file" }).getByRole("button", { name: "Start" }).click();
    await expect(page.getByText("The import of the file from SendGrid runs.")).toBeVisible();
    const row = page.getByRole("row").filter({ hasText: "A file of 3 records" }).first();
    if (hasScript) {
      await expect(row).toContainText("3 of 3 records read");
      await expect(row).toContainText("Done");
      await expectAccessible(page);
    }
    await expect(async () => {
      await page.goto("/settings/imports");
      await expect(row).toContainText("Done", { timeout: 500 });
      await expect(row).toContainText(events, { timeout: 500 });
      await expect(row).toContainText(known, { timeout: 500 });
    }).toPass();
  }
  await page.goto("/logs");
  await page.getByRole("link", { name: /^Look at all time/ }).click();
  await expect(page.getByText("Order 1").first()).toBeVisible();
});

test("a key that is refused stops an import in the source's words, and another key goes on", async ({ page, as, sendlog, hasScript }) => {
  const template = await other.api.createTemplate({ name: `Seeds ${hasScript}`, subject: "Seeds", html: "<p>Seeds</p>", text: "Seeds" });
  const sent = await other.api.send({ templateId: template, to: `pulled-${hasScript}@example.com` });
  await other.api.waitFor(sent, "sent");

  await as("admin", team);
  await page.goto("/settings/imports?source=jetemail");
  const form = page.getByRole("region", { name: "From JetEmail’s API" });
  await form.getByLabel("API key").fill("wrong");
  await form.getByLabel("Address").fill(`${sendlog.url}/jetemail`);
  await form.getByRole("button", { name: "Start" }).click();
  await expect(page.getByText("The import from JetEmail runs.")).toBeVisible();
  const row = page.getByRole("row").filter({ hasText: "JetEmail" }).first();
  await expect(async () => {
    await page.goto("/settings/imports");
    await expect(row).toContainText("Stopped", { timeout: 500 });
  }).toPass();
  await expect(row).toContainText("answered 401");
  await row.getByRole("button", { name: "Go on with the import from JetEmail" }).click();
  const dialog = page.getByRole("dialog", { name: "Go on with this import?" });
  await dialog.getByLabel("API key").fill(other.key);
  await dialog.getByRole("button", { name: "Go on" }).click();
  await expect(page.getByText("The import goes on.")).toBeVisible();
  await expect(async () => {
    await page.goto("/settings/imports");
    await expect(row).toContainText("Done", { timeout: 500 });
  }).toPass();
  await page.goto("/logs");
  await expect(page.getByRole("row").filter({ hasText: `pulled-${hasScript}@example.com` })).toBeVisible();

  await as("viewer", team);
  await page.goto("/settings/imports");
  await expect(row).toContainText("Done");
  await expect(page.getByRole("button", { name: /^(Start|Choose|Remove)/ })).toHaveCount(0);
});
