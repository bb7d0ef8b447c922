// Log-in by an OpenID provider, a real one in a process of its own: who gets in, with which role, and who does not.

import { type Page } from "@playwright/test";
import { expect, expectAccessible, test } from "../fixtures.ts";
import { type Claims, OpenIdProvider } from "../openid-provider.ts";
import { Sendlog } from "../sendlog.ts";

let provider: OpenIdProvider;
let server: Sendlog;

const ada = (groups: string[], more: Partial<Claims> = {}): Claims => ({
  email: "ada@example.com",
  email_verified: true,
  name: "Ada Lovelace",
  groups,
  ...more,
});

test.beforeAll(async () => {
  provider = await OpenIdProvider.start();
  server = await Sendlog.serve({ args: provider.args("support=finch:viewer", "ops=finch:admin") });
  const user = ["--email", "root@example.com", "--name", "Root", "--team", "finch", "--role", "owner"];
  await server.admin(["create-user", ...user], { SENDLOG_PASSWORD: "a long password" });
});

test.afterAll(async () => {
  await server?.stop();
  await provider?.stop();
});

/** Follows the link on the log-in page, as `name` at the provider. */
async function logIn(page: Page, name: string): Promise<void> {
  await page.context().clearCookies();
  await page.goto(`${server.url}/login?next=%2Fsettings%2Fprofile`);
  await page.getByRole("link", { name: "Log in with Example" }).click();
  await page.getByRole("link", { name, exact: true }).click();
}

/** The address that the log-in link leads to, in the page's own session. */
async function wayToProvider(page: Page): Promise<URL> {
  const answer = await page.request.get(`${server.url}/login/openid`, { maxRedirects: 0 });
  return new URL(answer.headers().location ?? "");
}

test("groups give a role at log-in, change it, and take it away", async ({ page, hasScript }) => {
  await page.goto(`${server.url}/login`);
  if (hasScript) await expectAccessible(page); // axe-core is a script
  await provider.setPeople({ ada: ada(["support"]) });
  await logIn(page, "ada");
  await expect(page).toHaveURL(`${server.url}/settings/profile`);
  await expect(page.getByText("finch, Viewer")).toBeVisible();
  await expect(page.getByText("Your account has no password")).toBeVisible();
  if (hasScript) await expectAccessible(page); // axe-core is a script

  await provider.setPeople({ ada: ada(["ops"]) });
  await logIn(page, "ada");
  await expect(page.getByText("finch, Admin")).toBeVisible();

  await provider.setPeople({ ada: ada([]) });
  await logIn(page, "ada");
  await expect(page.getByText("Your account is in no team")).toBeVisible();
  if (hasScript) await expectAccessible(page); // axe-core is a script
});

test("an address that is verified in text is verified", async ({ page, hasScript }) => {
  const email = `kim-${hasScript}@example.com`;
  await provider.setPeople({ [`kim-${hasScript}`]: ada(["support"], { email, email_verified: "true" }) });
  await logIn(page, `kim-${hasScript}`);
  await expect(page.getByText("finch, Viewer")).toBeVisible();
});

test("an unverified address and a person without a role are refused", async ({ page }) => {
  await provider.setPeople({
    eve: ada(["ops"], { email: "eve@example.com", email_verified: false }),
    dan: ada(["ops"], { email: "dan@example.com", email_verified: "false" }),
    bob: ada(["other"], { email: "bob@example.com" }),
  });
  for (const unverified of ["eve", "dan"]) {
    await logIn(page, unverified);
    await expect(page.getByRole("alert")).toContainText("has not verified your email address");
  }
  await logIn(page, "bob");
  await expect(page.getByRole("alert")).toContainText("None of your groups has a role here");
  await page.goto(`${server.url}/logs`);
  await expect(page).toHaveURL(`${server.url}/login?next=%2Flogs`);
});

test("an answer to another question is refused", async ({ page }) => {
  await provider.setPeople({ ada: ada(["support"]) });
  const sentences = { nonce: "could not be verified: it belongs to another log-in (nonce)", state: "was begun elsewhere" };
  for (const [parameter, sentence] of Object.entries(sentences)) {
    await page.context().clearCookies();
    const way = await wayToProvider(page);
    way.searchParams.set(parameter, "another");
    await page.goto(way.href);
    await page.getByRole("link", { name: "ada", exact: true }).click();
    await expect(page.getByRole("alert")).toContainText(sentence);
  }
});
