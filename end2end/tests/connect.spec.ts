// The page that says how programs send through Sendlog: a key made on the spot stands in every snippet, and works.

import nodemailer from "nodemailer";
import { createTeam, expect, test, type SendingTeam } from "../fixtures.ts";
import { freePort, Sendlog } from "../sendlog.ts";
import type { Page } from "@playwright/test";

const systems = ["Sendlog", "SMTP", "Resend", "Sendwithus", "JetEmail", "NotificationAPI"];

let team: SendingTeam;

test.beforeAll(async ({ sendlog, smtp }) => {
  team = await createTeam(sendlog, smtp, "connect");
});

async function makeKey(page: Page, name: string): Promise<string> {
  await page.goto("/connect");
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByRole("button", { name: "Create a key" }).click();
  const notice = page.getByRole("status").filter({ hasText: "Copy it now" });
  await expect(notice).toBeVisible();
  await expect(page).toHaveURL("/connect");
  return (await notice.locator("code").innerText()).trim();
}

test("each system has its base URL, its description and its programs", async ({ page, as }) => {
  await as("viewer", team);
  await page.goto("/logs");
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Connect" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Connect" })).toBeVisible();
  for (const [name, path] of [
    ["Sendlog", "/api"],
    ["Resend", "/resend"],
    ["Sendwithus", "/sendwithus/api/v1"],
    ["JetEmail", "/jetemail"],
    ["NotificationAPI", "/notificationapi"],
  ]) {
    const system = page.getByRole("region", { name, exact: true });
    await expect(system.locator("dd").first()).toContainText(`${team.url}${path}`);
    const document = system.getByRole("link", { name: "OpenAPI document" });
    const response = await page.request.get((await document.getAttribute("href"))!);
    expect((await response.json()).openapi, name).toMatch(/^3\./);
    // One program is open at a time.
    const parts = system.locator("details");
    await expect(parts.first().locator("pre")).toBeVisible();
    await parts.nth(1).locator("summary").click();
    await expect(parts.nth(1).locator("pre")).toBeVisible();
    await expect(parts.first().locator("pre")).toBeHidden();
  }
  await page.getByRole("navigation", { name: "Systems" }).getByRole("link", { name: "JetEmail" }).click();
  await expect(page).toHaveURL("/connect#jetemail");
});

test("those who may not create keys see placeholders and whom to ask", async ({ page, as }) => {
  await as("member", team);
  await page.goto("/connect");
  await expect(page.getByRole("button", { name: "Create a key" })).toHaveCount(0);
  await expect(page.getByText("Your role may not create keys.")).toBeVisible();
  await expect(page.getByRole("region", { name: "Resend" }).locator("pre").first()).toContainText('"YOUR_KEY"');
});

test("a key made here is in every program once, sends, and is in both logs", async ({ page, as, hasScript }) => {
  const name = `shop ${hasScript}`;
  await as("admin", team);
  const secret = await makeKey(page, name);
  expect(secret).toMatch(/^sl_/);
  for (const system of systems) {
    for (const program of await page.getByRole("region", { name: system, exact: true }).locator("pre").all()) {
      await expect(program, system).toContainText(secret);
    }
  }
  const node = page.getByRole("region", { name: "NotificationAPI" }).locator("pre").first();
  await expect(node).toContainText(/init\("key_\w+", "sl_/);
  await page.goto("/connect");
  await expect(page.getByRole("main")).not.toContainText(secret);
  await expect(page.getByRole("region", { name: "Resend" }).locator("pre").first()).toContainText('"YOUR_KEY"');

  const to = `ada-${hasScript}@example.com`;
  const response = await fetch(`${team.url}/resend/emails`, {
    method: "POST",
    headers: { Authorization: `Bearer ${secret}`, "Content-Type": "application/json", "User-Agent": "shop/1.0" },
    body: JSON.stringify({ from: "Shop <shop@acme.example>", to, subject: "It works", html: "<p>It works.</p>" }),
  });
  expect(response.status, await response.clone().text()).toBe(200);

  await page.goto(`/logs?search=${to}`);
  await expect(page.locator("tbody").getByRole("row")).toHaveCount(1);
  await expect(page.locator("tbody").getByRole("row")).toContainText("It works");

  await page.goto("/requests?endpoint=/resend/emails&agent=shop/1.0");
  const row = page.locator("tbody").getByRole("row").filter({ hasText: name });
  await expect(row).toHaveCount(1);
  await expect(row).toContainText("POST");
  await row.getByRole("link").click();
  await expect(page.getByLabel("Request body").locator("pre")).toContainText(`"to": "${to}"`);
  await page.getByRole("region", { name: "Messages it created" }).getByRole("link", { name: to }).click();
  await expect(page).toHaveURL(/\/logs\/eml_/);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("It works");
});

test("a key without a permission is refused and keeps its name", async ({ page, as }) => {
  await as("admin", team);
  await page.goto("/connect");
  await page.getByLabel("Name", { exact: true }).fill("idle");
  for (const box of await page.getByRole("checkbox").all()) {
    await box.uncheck();
  }
  await page.getByRole("button", { name: "Create a key" }).click();
  await expect(page.getByRole("alert")).toBeVisible();
  await expect(page).toHaveURL("/connect");
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue("idle");
});

test("SMTP is shown as the server has it, and takes messages with a key that is made here", async ({ page, as, smtp, hasScript }) => {
  await as("viewer", team);
  await page.goto("/connect#smtp");
  const closed = page.getByRole("region", { name: "SMTP", exact: true });
  await expect(closed).toContainText("This server takes no messages by SMTP: start it with --smtp-addr");
  await closed.getByRole("link", { name: "What SMTP takes" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "SMTP" })).toBeVisible();

  const port = await freePort();
  const sendlog = await Sendlog.serve({ args: ["--smtp-addr", `127.0.0.1:${port}`] });
  try {
    const own = await createTeam(sendlog, smtp, "connect-smtp");
    await as("admin", own);
    await page.goto(`${own.url}/connect`);
    await page.getByLabel("Name", { exact: true }).fill(`mailer ${hasScript}`);
    await page.getByRole("button", { name: "Create a key" }).click();
    const system = page.getByRole("region", { name: "SMTP", exact: true });
    await expect(system.locator("dd").first()).toContainText(`127.0.0.1:${port}`);
    await expect(system.locator("pre").first()).toContainText(`port: ${port},\n  secure: false`);
    const pass = (await page.getByRole("status").locator("code").innerText()).trim();
    const transport = nodemailer.createTransport({
      host: "127.0.0.1",
      port,
      ignoreTLS: true,
      auth: { user: "sendlog", pass },
    });
    const to = `ada-${hasScript}@example.com`;
    const sent = await transport.sendMail({ from: "Shop <shop@acme.example>", to, subject: "By mail", html: "<p>Hi</p>" });
    expect(sent.response).toMatch(/^250 2\.0\.0 Accepted as eml_/);
    await page.goto(`${own.url}/logs?search=${to}`);
    const row = page.locator("tbody").getByRole("row");
    await expect(row).toContainText("By mail");
    await row.getByRole("link").first().click();
    await expect(page.getByRole("main")).toContainText(`by API key “mailer ${hasScript}”, by SMTP`);
  } finally {
    await sendlog.stop();
  }
});
