// A webhook of one's own: added, tested, looked at and told again, and what it is told of a message.

import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createTeam, expect, expectAccessible, test, type SendingTeam } from "../fixtures.ts";

interface Post {
  headers: IncomingHttpHeaders;
  body: string;
}

let team: SendingTeam;
let template: string;
let server: Server;
const posts: Post[] = [];

test.beforeAll(async ({ sendlog, smtp }) => {
  team = await createTeam(sendlog, smtp, "told");
  template = await team.api.createTemplate({ name: "Seeds", subject: "Seeds", html: "<p>Seeds are in</p>", text: "Seeds are in" });
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      posts.push({ headers: request.headers, body });
      response.end("thank you");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

test.afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** The signature that a post must have. Source: Standard Webhooks. */
function signature(post: Post, secret: string): string {
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const content = `${String(post.headers["webhook-id"])}.${String(post.headers["webhook-timestamp"])}.${post.body}`;
  return `v1,${createHmac("sha256", key).update(content).digest("base64")}`;
}

test("a webhook is added, tested and told again, and a message says what it was told", async ({ page, as, hasScript }) => {
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${hasScript ? "with" : "without"}`;
  await as("admin", team);
  await page.goto("/settings/webhooks");
  await page.getByLabel("Address", { exact: true }).fill(address);
  await page.getByLabel("Name", { exact: true }).fill(`Orders ${hasScript}`);
  await page.getByRole("button", { name: "Add webhook" }).click();
  await expect(page.getByRole("heading", { level: 1, name: `Orders ${hasScript}` })).toBeVisible();
  const hook = page.url();
  if (hasScript) {
    await expectAccessible(page);
  }
  await page.getByText("Show the secret").click();
  const secret = (await page.getByRole("region", { name: "Secret" }).locator("code").textContent()) ?? "";
  expect(secret).toMatch(/^whsec_/);

  posts.length = 0;
  await page.getByRole("button", { name: "Send a test" }).click();
  await expect(page.getByText("The test is on its way.")).toBeVisible();
  await expect.poll(() => posts.length).toBe(1);
  const [first] = posts;
  if (first === undefined) throw new Error("no post");
  expect(first.headers["webhook-signature"]).toBe(signature(first, secret));
  await expect(async () => {
    await page.reload();
    await expect(page.getByText("thank you")).toBeVisible({ timeout: 500 });
  }).toPass();
  await expect(page.getByText("This is a test of your webhook.")).toBeVisible();
  if (hasScript) {
    await expectAccessible(page);
  }

  await page.getByRole("button", { name: "Post again" }).click();
  await expect(page.getByText("It is posted again, with the same id.")).toBeVisible();
  await expect.poll(() => posts.length).toBe(2);
  expect(posts[1]?.headers["webhook-id"]).toBe(first.headers["webhook-id"]);

  const sent = await team.api.send({ templateId: template, to: `told-${hasScript}@example.com` });
  await expect.poll(() => posts.some((post) => post.body.includes("email.sent"))).toBe(true);
  await page.goto(`/logs/${sent}`);
  await page.getByRole("region", { name: "Webhooks" }).getByRole("link", { name: `Webhook Orders ${hasScript}` }).first().click();
  await expect(page.getByRole("region", { name: "Posted" })).toContainText(sent);

  await page.goto(hook);
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await page.getByRole("button", { name: "Remove for good" }).click();
  await expect(page.getByText(`Webhook “Orders ${hasScript}” removed.`)).toBeVisible();
});
