// The link by which a reader unsubscribes: its page asks, and works without scripts. Such links are of https alone, so the
// browser is led to the server as a proxy leads it.

import { createTeam, expect, expectAccessible, test, type SendingTeam } from "../fixtures.ts";
import { Sendlog } from "../sendlog.ts";
import type { BrowserContext } from "@playwright/test";

const publicUrl = "https://mail.example.com";

let sendlog: Sendlog;
let team: SendingTeam;

test.beforeAll(async ({ smtp }) => {
  sendlog = await Sendlog.serve({ args: ["--base-url", publicUrl] });
  team = await createTeam(sendlog, smtp, "unsubscribe");
});

test.afterAll(async () => {
  await sendlog?.stop();
});

/** Gives a browser the owner's session, as the server gives it over https. */
async function logIn(context: BrowserContext): Promise<void> {
  const { email, password } = team.users.owner;
  const response = await fetch(`${sendlog.url}/api/auth/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Origin: publicUrl },
    body: JSON.stringify({ email, password }),
  });
  const [name, value] = response.headers.getSetCookie()[0].split(";")[0].split("=");
  await context.addCookies([{ name, value, url: publicUrl, secure: true }]);
}

/** Leads a browser to the server wherever it asks for the public address. */
async function lead(context: BrowserContext): Promise<void> {
  await context.route(`${publicUrl}/**`, async (route) => {
    const url = route.request().url().replace(publicUrl, sendlog.url);
    await route.fulfill({ response: await route.fetch({ url, maxRedirects: 0 }) });
  });
}

test("a reader unsubscribes by the link of a message, and its page says so", async ({ page, context, open, smtp, hasScript }) => {
  await lead(context);
  await logIn(context);
  const news = { name: `News ${hasScript}`, subject: "News", html: "<p>News</p>", text: "News" };
  const templateId = await team.api.createTemplate({ ...news, offersUnsubscribe: true });

  const to = `reader-${hasScript}@example.com`;
  const id = await team.api.send({ templateId, to });
  const [{ message }] = await smtp.waitFor(to);
  const header = (name: string) => message.headers.find(({ key }) => key === name)?.value;
  expect(header("list-unsubscribe-post")).toBe("List-Unsubscribe=One-Click");
  const link = header("list-unsubscribe")?.match(/^<(https:\/\/mail\.example\.com\/u\/\S+)>$/)?.[1] ?? "";
  expect(link, "the link in the message").not.toBe("");
  await team.api.waitFor(id, "sent");

  // The reader has no session, and looking changes nothing.
  const reader = await open();
  await lead(reader.context());
  await reader.goto(link);
  await expect(reader.getByRole("heading", { level: 1 })).toHaveText("Unsubscribe from unsubscribe?");
  await expect(reader.getByText(/^unsubscribe will not write to \S+ any more\.$/)).toBeVisible();
  await expect(reader.locator("body"), "the address is masked").not.toContainText(to);
  if (hasScript) {
    await expectAccessible(reader);
  }
  await page.goto(`${publicUrl}/logs/${id}`);
  const timeline = page.getByRole("region", { name: "What happened" });
  await expect(timeline).toContainText("Sent");
  await expect(timeline).not.toContainText("Unsubscribed");

  await reader.getByRole("button", { name: "Unsubscribe" }).click();
  await expect(reader.getByRole("heading", { level: 1 })).toHaveText("You are unsubscribed");
  await page.goto(`${publicUrl}/logs/${id}`);
  await expect(timeline).toContainText("Unsubscribed");
  await page.goto(`${publicUrl}/settings/suppressions`);
  const row = page.getByRole("row").filter({ hasText: to });
  await expect(row).toContainText("Unsubscribed");
  await row.getByRole("link").first().click();
  await expect(page).toHaveURL(`${publicUrl}/logs/${id}`);

  // The next message to them is dropped, and the page still says the same.
  const next = await team.api.send({ templateId, to });
  await team.api.waitFor(next, "failed");
  expect(smtp.to(to)).toHaveLength(1);
  await reader.goto(link);
  await expect(reader.getByRole("heading", { level: 1 })).toHaveText("You are unsubscribed");
});
