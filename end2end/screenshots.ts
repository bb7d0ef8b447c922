// Makes the pictures in docs/images/ from the demo, which is the same for the same seed.

import { fileURLToPath } from "node:url";
import { expect, test, type Page } from "@playwright/test";
import { logIn, type User } from "./fixtures.ts";
import { Sendlog } from "./sendlog.ts";

const folder = fileURLToPath(new URL("../docs/images/", import.meta.url));

interface Picture {
  name: string;
  width: number;
  height: number;
  scheme: "light" | "dark";
  open: (page: Page) => Promise<void>;
}

const pictures: Picture[] = [
  { name: "logs-1440-light", width: 1440, height: 900, scheme: "light", open: openLogs },
  { name: "logs-1440-dark", width: 1440, height: 900, scheme: "dark", open: openLogs },
  { name: "logs-390-light", width: 390, height: 844, scheme: "light", open: openLogs },
  { name: "message-1440-light", width: 1440, height: 900, scheme: "light", open: openMessage },
  { name: "message-1440-dark", width: 1440, height: 900, scheme: "dark", open: openMessage },
];

let sendlog: Sendlog;
let session: string;

test.beforeAll(async () => {
  sendlog = await Sendlog.demo({ args: ["--json"] });
  const [json] = await sendlog.waitForOutput(/^\{.*"users".*\}$/m);
  const { users } = JSON.parse(json) as { users: User[] };
  const admin = users.find((user) => user.role === "admin");
  expect(admin, "an admin among the demo's users").toBeDefined();
  session = await logIn(sendlog.url, admin!);
});

test.afterAll(async () => sendlog?.stop());

for (const { name, width, height, scheme, open } of pictures) {
  test(name, async ({ browser }) => {
    const context = await browser.newContext({
      baseURL: sendlog.url,
      viewport: { width, height },
      colorScheme: scheme,
    });
    await context.addCookies([{ name: "session", value: session, url: sendlog.url }]);
    const page = await context.newPage();
    await open(page);
    await page.evaluate(() => document.fonts.ready);
    await page.screenshot({ path: `${folder}${name}.png`, animations: "disabled" });
    await context.close();
  });
}

async function openLogs(page: Page): Promise<void> {
  await page.goto("/logs");
}

/** A bounced message: its page shows the reason and the resend button. */
async function openMessage(page: Page): Promise<void> {
  await page.goto("/logs?status=bounced");
  const address = await page.locator("tbody a[href^='/logs/']").first().getAttribute("href");
  expect(address, "a bounced message in the demo").not.toBeNull();
  await page.goto(address!);
}
