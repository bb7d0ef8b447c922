// A session that ends loses nothing that was typed: the form comes back, filled in, after the log-in.

import { createTeam, expect, test, type SendingTeam } from "../fixtures.ts";

const notice = "Your session ended before this was saved. The form is as you left it: check it and save.";

let team: SendingTeam;

test.beforeAll(async ({ sendlog, smtp }) => {
  team = await createTeam(sendlog, smtp, "drafts");
});

// What a log-out ended is no session for the tests that follow.
test.afterEach(() => team.sessions.clear());

test("a template that is saved after a log-out elsewhere is still there after the log-in", async ({
  page,
  as,
  open,
  hasScript,
}) => {
  const name = `Receipt ${hasScript}`;
  const text = "Dear {{ name }},\n\n  <b>thank</b> you & your “team”.\n";
  await as("admin", team);
  await page.goto("/templates/new");
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Subject").fill("Your receipt");
  await page.getByLabel("Text body").fill(text);

  const elsewhere = await open("admin", team);
  await elsewhere.goto("/settings/profile");
  await elsewhere.getByRole("button", { name: "Log out" }).first().click();
  await expect(elsewhere).toHaveURL(/\/login/);

  await page.getByRole("button", { name: "Create the template" }).click();
  await expect(page).toHaveURL("/login?next=%2Ftemplates%2Fnew");
  await expect(page.getByText("Your session ended. Log in, and the form comes back as you left it.")).toBeVisible();
  await page.getByLabel("Email address").fill(team.users.admin.email);
  await page.getByLabel("Password").fill(team.users.admin.password);
  await page.getByRole("button", { name: "Log in", exact: true }).click();

  await expect(page).toHaveURL("/templates/new");
  await expect(page.getByText(notice)).toBeVisible();
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue(name);
  await expect(page.getByLabel("Subject")).toHaveValue("Your receipt");
  await expect(page.getByLabel("Text body")).toHaveValue(text);
  await page.reload();
  await expect(page.getByText(notice)).toBeVisible();
  await expect(page.getByLabel("Text body")).toHaveValue(text);
  await page.getByRole("button", { name: "Create the template" }).click();
  await expect(page.getByText(`Template “${name}” created.`)).toBeVisible();
  await page.goto("/templates/new");
  await expect(page.getByText(notice)).toHaveCount(0);
  await expect(page.getByLabel("Subject")).toHaveValue("");
});

test("a preview without a session offers the log-in, and nothing that was typed is lost", async ({ page, context, as, hasScript }) => {
  await as("admin", team);
  await page.goto("/templates/new");
  await page.getByLabel("Subject").fill("Hello {{ name }}");
  await page.getByLabel("Text body").fill("Dear {{ name }}");
  await page.getByLabel("Sample values").fill('{"name": "Ada"}');
  await context.clearCookies({ name: "session" });
  await page.getByRole("button", { name: "Preview" }).click();
  await expect(page.getByText("Your session ended. Log in, and the form comes back as you left it.")).toBeVisible();
  if (hasScript) {
    await expect(page.getByLabel("Subject")).toHaveValue("Hello {{ name }}");
    await page.getByRole("alert").getByRole("link", { name: "Log in" }).click();
  }
  await expect(page).toHaveURL("/login?next=%2Ftemplates%2Fnew");
  await expect(page.getByLabel("Email address")).toHaveValue(team.users.admin.email);
  await page.getByLabel("Password").fill(team.users.admin.password);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
  await expect(page.getByText(notice)).toBeVisible();
  await expect(page.getByLabel("Text body")).toHaveValue("Dear {{ name }}");
  await expect(page.frameLocator("iframe[name=template-preview]").getByText("Dear Ada")).toBeVisible();
  await page.getByRole("button", { name: "Discard" }).click();
});

test("what a script saves without a session is said not to be saved, with the way to the log-in", async ({
  page,
  context,
  as,
  hasScript,
}) => {
  test.skip(!hasScript, "without a script the form leads to the log-in");
  await as("owner", team);
  await page.goto("/settings/roles");
  await context.clearCookies({ name: "session" });
  await page.locator("form[data-grants] input[name='grants[]']:not(:checked):not(:disabled)").first().click();
  const ended = page.getByRole("alert").filter({ hasText: "Your session ended" });
  await expect(ended).toContainText("what you ticked was not saved");
  await expect(ended.getByRole("link", { name: "Log in" })).toHaveAttribute("href", "/login?next=%2Fsettings%2Froles");
});

test("an adapter that is added without a session comes back without its password, which is asked for", async ({
  page,
  context,
  as,
}) => {
  await as("owner", team);
  await page.goto("/settings/adapters?kind=smtp");
  await page.getByLabel("Name", { exact: true }).fill("Relay");
  await page.getByLabel("Host").fill("mail.example.com");
  await page.getByLabel("User", { exact: true }).fill("ada");
  await page.getByLabel("Password", { exact: true }).fill("hush");
  await page.getByLabel("Default sender").fill("Relay <relay@drafts.example>");
  await context.clearCookies({ name: "session" });
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page).toHaveURL("/login?next=%2Fsettings%2Fadapters%3Fkind%3Dsmtp");
  await page.getByLabel("Email address").fill(team.users.owner.email);
  await page.getByLabel("Password").fill(team.users.owner.password);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
  await expect(page.getByText(notice)).toBeVisible();
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue("Relay");
  await expect(page.getByLabel("Host")).toHaveValue("mail.example.com");
  await expect(page.getByLabel("User", { exact: true })).toHaveValue("ada");
  await expect(page.getByLabel("Password", { exact: true })).toHaveValue("");
  await page.getByRole("button", { name: "Discard" }).click();
  await expect(page.getByText("Discarded.")).toBeVisible();
  await expect(page.getByText(notice)).toHaveCount(0);
  await expect(page.getByLabel("Host")).toHaveValue("");
});

test("a form that nobody can be told from is said not to be saved", async ({ page, context, as }) => {
  await as("owner", team);
  await page.goto("/templates/new");
  await page.getByLabel("Name", { exact: true }).fill("Lost");
  await page.getByLabel("Subject").fill("Lost");
  await context.clearCookies();
  await page.getByRole("button", { name: "Create the template" }).click();
  await expect(page).toHaveURL(/\/login/);
  await expect(page.getByRole("alert")).toContainText("what you typed was not saved");
});
