// A provider's reports: from an empty page to the opened message, and what becomes of somebody else's posts.

import { createSign, generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createTeam, expect, expectAccessible, test, type SendingTeam } from "../fixtures.ts";

let team: SendingTeam;
let template: string;

test.beforeAll(async ({ sendlog, smtp }) => {
  team = await createTeam(sendlog, smtp, "hooks");
  template = await team.api.createTemplate({ name: "Seeds", subject: "Seeds", html: "<p>Seeds are in</p>", text: "Seeds are in" });
});

/** An account at SendGrid that signs its event webhook. */
function account(): { verificationKey: string; post: (events: object[]) => { headers: Record<string, string>; data: string } } {
  const { publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const verificationKey = publicKey.export({ type: "spki", format: "der" }).toString("base64");
  return {
    verificationKey,
    post: (events) => {
      const data = JSON.stringify(events);
      const timestamp = String(Math.floor(Date.now() / 1000));
      const signature = createSign("sha256").update(timestamp + data).sign(privateKey, "base64");
      return {
        data,
        headers: {
          "content-type": "application/json",
          "x-twilio-email-event-webhook-signature": signature,
          "x-twilio-email-event-webhook-timestamp": timestamp,
        },
      };
    },
  };
}

test("SendGrid is connected in a minute, and delivered and opened come by themselves", async ({ page, as, smtp, hasScript }) => {
  const sendGrid = account();
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

  const forged = await page.request.post(address, account().post([event("spamreport", {})]));
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

/** SendGrid's API: it takes messages, and sets its event webhook up when it is asked. */
class SendGridApi {
  readonly account = account();
  readonly sent: { to: string; sendlogId: string }[] = [];
  hook = "";
  #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        const body = JSON.parse(Buffer.concat(parts).toString() || "{}");
        const call = `${request.method} ${request.url}`;
        if (request.headers.authorization !== "Bearer SG.seeds") {
          response.writeHead(401, { "content-type": "application/json" }).end('{"errors":[{"message":"authorization required"}]}');
        } else if (call === "POST /v3/mail/send") {
          this.sent.push({ to: body.personalizations[0].to[0].email, sendlogId: body.custom_args.sendlog_id });
          response.writeHead(202, { "x-message-id": `sg-${this.sent.length}` }).end();
        } else {
          this.hook = body.url ?? this.hook;
          const answer = { id: "77a4", public_key: this.account.verificationKey };
          response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
        }
      });
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((started) => this.#server.listen(0, "127.0.0.1", started));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
  }
}

test("with SendGrid's key alone a team sends, and delivered and opened come by themselves", async ({ page, as, sendlog, smtp, hasScript }) => {
  const own = await createTeam(sendlog, smtp, `sendgrid-${hasScript}`);
  const seeds = await own.api.createTemplate({ name: "Seeds", subject: "Seeds", html: "<p>In</p>", text: "In" });
  const api = new SendGridApi();
  const address = await api.start();
  await as("admin", own);

  await page.goto("/settings/adapters");
  await page.getByRole("link", { name: "Add an adapter" }).click();
  await page.getByRole("navigation", { name: "Kind" }).getByRole("link", { name: "SendGrid" }).click();
  await expect(page.getByLabel("API address")).toHaveValue("https://api.sendgrid.com");
  if (hasScript) {
    await expectAccessible(page);
  }
  await page.getByLabel("API key").fill("SG.wrong");
  await page.getByLabel("API address").fill(address);
  await page.getByLabel("Default sender").fill("Seeds <seeds@finch.example>");
  await page.getByLabel("Default: messages").check();
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("region", { name: "Try “SendGrid”" }).getByRole("button", { name: "Send the test" }).click();
  await expect(page.getByRole("alert")).toContainText("authorization required");
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
  expect(api.sent.find((sent) => sent.to === to)?.sendlogId).toBe(id);
  const event = (name: string) => ({
    email: to, event: name, timestamp: Math.floor(Date.now() / 1000), sendlog_id: id, sg_event_id: `${name}-own-${hasScript}`, sg_message_id: "sg-1.recvd-1",
  });
  const posted = await page.request.post(api.hook, api.account.post([event("delivered"), event("open")]));
  expect(posted.status()).toBe(200);
  await page.goto(`/logs/${id}`);
  await expect(page.locator(".page-head").getByText("Opened", { exact: true })).toBeVisible();
  api.stop();
});
