// A provider's reports: from an empty page to the opened message, and what becomes of somebody else's posts.

import { createTeam, expect, expectAccessible, test, type SendingTeam } from "../fixtures.ts";
import { SendGridApi, SigningAccount } from "../sendgrid.ts";

let team: SendingTeam;
let template: string;

test.beforeAll(async ({ sendlog, smtp }) => {
  team = await createTeam(sendlog, smtp, "hooks");
  template = await team.api.createTemplate({ name: "Seeds", subject: "Seeds", html: "<p>Seeds are in</p>", text: "Seeds are in" });
});

test("SendGrid is connected in a minute, and delivered and opened come by themselves", async ({ page, as, smtp, hasScript }) => {
  const sendGrid = new SigningAccount();
  await as("admin", team);
  await page.goto("/settings/provider-webhooks");
  await page.getByLabel("Provider", { exact: true }).selectOption({ label: "SendGrid" });
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByRole("heading", { level: 1, name: "SendGrid" })).toBeVisible();
  await expect(page.getByText("needs its secret")).toBeVisible();
  if (hasScript) {
    await expectAccessible(page);
  }
  const address = (await page.locator(".hook-address code").textContent()) ?? "";
  expect(address).toContain("/hooks/sendgrid/");

  await page.getByLabel("Verification key").fill("whsec_something_else");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("The verification key is one line").first()).toBeVisible();
  await page.getByLabel("Verification key").fill(sendGrid.verificationKey);
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Provider webhook “SendGrid” saved.")).toBeVisible();
  const hook = page.url();

  const to = `seen-${hasScript}@example.com`;
  const id = await team.api.send({ templateId: template, to });
  const [{ message }] = await smtp.waitFor(to);
  await team.api.waitFor(id, "sent");
  const at = Math.floor(Date.now() / 1000);
  const event = (name: string, more: object) => ({
    email: to, event: name, timestamp: at, "smtp-id": message.messageId, sg_event_id: `${name}-${hasScript}`, sg_message_id: `w${hasScript}.recvd-1`, ...more,
  });
  const posted = await page.request.post(address, sendGrid.post([
    event("delivered", { response: "250 2.0.0 kept by the reader's server" }),
    event("open", { useragent: "Mozilla/5.0", ip: "192.0.2.7" }),
  ]));
  expect(posted.status()).toBe(200);

  await page.goto(`/logs/${id}`);
  await expect(page.locator(".page-head").getByText("Opened", { exact: true })).toBeVisible();
  const timeline = page.getByRole("region", { name: "What happened" });
  await expect(timeline).toContainText("Delivered");
  await expect(timeline).toContainText("kept by the reader's server");

  const forged = await page.request.post(address, new SigningAccount().post([event("spamreport", {})]));
  expect(forged.status()).toBe(403);
  await expect(async () => {
    await page.goto(hook);
    const facts = page.getByRole("region", { name: "The webhook" });
    await expect(facts).toContainText("2 events");
    await expect(page.getByRole("region", { name: "Refused" }).getByRole("row").nth(1)).toContainText("Wrong signature");
  }).toPass();
  if (hasScript) {
    await expectAccessible(page);
  }

  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await page.getByRole("button", { name: "Remove for good" }).click();
  await expect(page.getByText("Provider webhook “SendGrid” removed.")).toBeVisible();
  expect((await page.request.post(address, sendGrid.post([event("click", {})]))).status()).toBe(404);
});

test("with SendGrid's key alone a team sends, and delivered and opened come by themselves", async ({ page, as, sendlog, smtp, hasScript }) => {
  const own = await createTeam(sendlog, smtp, `sendgrid-${hasScript}`);
  const seeds = await own.api.createTemplate({ name: "Seeds", subject: "Seeds", html: "<p>In</p>", text: "In" });
  const api = await SendGridApi.start("SG.seeds");
  await as("admin", own);

  await page.goto("/settings/adapters");
  await page.getByRole("link", { name: "Add an adapter" }).click();
  await page.getByRole("navigation", { name: "Kind" }).getByRole("link", { name: "SendGrid" }).click();
  await expect(page.getByLabel("API address")).toHaveValue("https://api.sendgrid.com");
  if (hasScript) {
    await expectAccessible(page);
  }
  await page.getByLabel("API key").fill("SG.wrong");
  await page.getByLabel("API address").fill(api.url);
  await page.getByLabel("Default sender").fill("Seeds <seeds@finch.example>");
  await page.getByLabel("Default: the first in the order").check();
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("region", { name: "Try “SendGrid”" }).getByRole("button", { name: "Send the test" }).click();
  await expect(page.getByRole("alert")).toContainText("The provided authorization grant is invalid");
  await page.getByRole("link", { name: "Edit SendGrid" }).click();
  await page.getByLabel("API key").fill("SG.seeds");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect(page.getByText("Adapter “SendGrid” changed.")).toBeVisible();

  await page.getByRole("link", { name: "Provider webhooks" }).click();
  await page.getByLabel("Provider", { exact: true }).selectOption({ label: "SendGrid" });
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("button", { name: "Connect with “SendGrid”" }).click();
  await expect(page.getByText("SendGrid posts here from now on.")).toBeVisible();
  await expect(page.getByText("needs its secret")).toHaveCount(0);

  const to = `watched-${hasScript}@example.com`;
  const id = await own.api.send({ templateId: seeds, to });
  await own.api.waitFor(id, "sent");
  const mail = api.mailTo(to);
  expect(mail.arguments.sendlog_id).toBe(id);
  expect(await api.tell(mail, { event: "delivered" }, { event: "open" })).toEqual([200]);
  await page.goto(`/logs/${id}`);
  await expect(page.locator(".page-head").getByText("Opened", { exact: true })).toBeVisible();
  await api.stop();
});
