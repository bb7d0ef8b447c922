// Who gets in: log-in and log-out, the set-up of a new database, invitations, the limit on guessing.

import { createTeam, expect, test, type User } from "../fixtures.ts";
import { Sendlog } from "../sendlog.ts";
import type { Page } from "@playwright/test";

async function fillLogIn(page: Page, user: Pick<User, "email" | "password">): Promise<void> {
  await page.getByLabel("Email address").fill(user.email);
  await page.getByLabel("Password").fill(user.password);
  await page.getByRole("button", { name: "Log in" }).click();
}

test("a wrong password says so and keeps the address; the right one opens the log", async ({
  page,
  team,
  hasScript,
}) => {
  await page.goto("/login");
  await fillLogIn(page, { email: team.users.member.email, password: "not the password" });

  await expect(page.getByRole("alert")).toHaveText("Email address or password is wrong");
  await expect(page.getByLabel("Email address")).toHaveValue(team.users.member.email);
  await expect(page.getByLabel("Password")).toHaveValue("");

  await fillLogIn(page, team.users.member);
  await expect(page).toHaveURL("/logs");
  await expect(page.getByRole("heading", { level: 1, name: "Logs" })).toBeVisible();

  await page.goto("/settings/profile");
  // A guess from the browser, which only a script can make.
  const zone = hasScript ? "Europe/Berlin" : "UTC";
  await expect(page.getByLabel("Time zone")).toHaveValue(zone);
});

test("a page without a session leads to the log-in and back", async ({ page, team }) => {
  await page.goto("/settings/members?from=bookmark");
  await expect(page).toHaveURL("/login?next=%2Fsettings%2Fmembers%3Ffrom%3Dbookmark");

  await fillLogIn(page, { email: team.users.viewer.email, password: "not the password" });
  await expect(page.getByRole("alert")).toBeVisible();
  await fillLogIn(page, team.users.viewer);

  await expect(page).toHaveURL("/settings/members?from=bookmark");
  await expect(page.getByRole("heading", { level: 1, name: "Members" })).toBeVisible();
});

test("a foreign address in `next` is not followed", async ({ page, team }) => {
  await page.goto("/login?next=https%3A%2F%2Fevil.example%2F");
  await fillLogIn(page, team.users.viewer);
  await expect(page).toHaveURL("/logs");
});

test("after log-out the pages are closed again", async ({ page, team }) => {
  await page.goto("/login");
  await fillLogIn(page, team.users.member);
  await expect(page).toHaveURL("/logs");

  await page.getByRole("button", { name: "Log out" }).click();
  await expect(page).toHaveURL("/login");

  await page.goto("/logs");
  await expect(page).toHaveURL("/login?next=%2Flogs");
});

test("too many wrong passwords are refused with the time to wait", async ({
  page,
  sendlog,
  smtp,
  hasScript,
}) => {
  const { users } = await createTeam(sendlog, smtp, `guessed-${hasScript}`);
  await page.goto("/login");
  for (let attempt = 0; attempt < 5; attempt++) {
    await fillLogIn(page, { email: users.member.email, password: "a guess" });
    await expect(page.getByRole("alert")).toHaveText("Email address or password is wrong");
  }
  await fillLogIn(page, users.member);
  await expect(page.getByRole("alert")).toHaveText(/Too many attempts\. Try again in \d+ minutes?\./);
  await expect(page).toHaveURL("/login");
});

test("the printed link sets up a new database, once", async ({ page, open }) => {
  const fresh = await Sendlog.serve();
  try {
    const [link] = await fresh.waitForOutput(/http\S+\/setup\?token=\S+/);
    expect(link).toContain(`${fresh.url}/setup?token=`);
    await page.goto(link);
    await expect(page.getByRole("heading", { level: 1, name: "Set up Sendlog" })).toBeVisible();
    const setUp = async (browser: Page) => {
      await browser.getByLabel("Your name").fill("Ada Lovelace");
      await browser.getByLabel("Email address").fill("ada@engine.example");
      await browser.getByLabel("Password").fill("a long password");
      await browser.getByLabel("Team").fill("Engine Works");
      await browser.getByRole("button", { name: "Create account and team" }).click();
    };
    await setUp(page);

    await expect(page).toHaveURL(`${fresh.url}/logs`);
    await expect(page.getByText("No message has been sent yet")).toBeVisible();
    await page.goto(`${fresh.url}/settings/profile`);
    await expect(page.getByText("ada@engine.example")).toBeVisible();
    await expect(page.getByText("Engine Works, owner")).toBeVisible();

    const stranger = await open();
    await stranger.goto(link);
    await setUp(stranger);
    await expect(stranger.getByRole("alert")).toContainText("This set-up link has been used");
    await stranger.goto(`${fresh.url}/logs`);
    await expect(stranger).toHaveURL(`${fresh.url}/login?next=%2Flogs`);
  } finally {
    await fresh.stop();
  }
});

test("set-up refuses a short password and keeps what was typed", async ({ page }) => {
  const fresh = await Sendlog.serve();
  try {
    const [link] = await fresh.waitForOutput(/http\S+\/setup\?token=\S+/);
    await page.goto(link);
    await page.getByLabel("Your name").fill("Ada Lovelace");
    // An address that the browser takes and the server does not.
    await page.getByLabel("Email address").fill("ada@-");
    await page.getByLabel("Password").fill("a long password");
    await page.getByLabel("Team").fill("Engine Works");
    await page.locator("form").first().evaluate((form) => ((form as HTMLFormElement).noValidate = true));
    await page.getByRole("button", { name: "Create account and team" }).click();

    await expect(page.getByRole("alert")).toContainText("must be an address like");
    await expect(page.getByLabel("Your name")).toHaveValue("Ada Lovelace");
    await expect(page.getByLabel("Team")).toHaveValue("Engine Works");
    await expect(page.getByLabel("Email address")).toHaveValue("ada@-");
    // The link still works.
    await page.getByLabel("Email address").fill("ada@engine.example");
    await page.getByLabel("Password").fill("a long password");
    await page.getByRole("button", { name: "Create account and team" }).click();
    await expect(page).toHaveURL(`${fresh.url}/logs`);
  } finally {
    await fresh.stop();
  }
});

test("an invited person joins with a new account, once", async ({ page, as, open, hasScript }) => {
  const email = `new-${hasScript}@acme.example`;
  await as("admin");
  await page.goto("/settings/members");
  await page.getByLabel("Email address").fill(email);
  await page.getByLabel("Role", { exact: true }).selectOption({ label: "Member" });
  await page.getByRole("button", { name: "Invite" }).click();
  const link = await page.getByText(/^http\S+\/invite\/\S+$/).innerText();

  const invited = await open();
  await invited.goto(link);
  await expect(invited.getByRole("heading", { level: 1 })).toHaveText(/^Join /);
  await expect(invited.getByText(email)).toBeVisible();
  await invited.getByLabel("Your name").fill("Grace Hopper");
  await invited.getByLabel("Password").fill("another long password");
  await invited.getByRole("button", { name: "Join the team" }).click();
  await expect(invited).toHaveURL("/logs");
  await invited.goto("/settings/profile");
  await expect(invited.getByText(/, member$/i)).toBeVisible();

  await page.goto("/settings/members");
  const row = page.getByRole("region", { name: "Members" }).getByRole("row").filter({ hasText: email });
  await expect(row).toContainText("Grace Hopper");
  await expect(row).toContainText("Member");
});

test("a used or invented invitation is no invitation", async ({ page, allowError }) => {
  allowError(/404/);
  const response = await page.goto("/invite/no-such-token");
  expect(response?.status()).toBe(404);
  await expect(page.getByRole("heading", { level: 1, name: "Invitation not found" })).toBeVisible();
});
