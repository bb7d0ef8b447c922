// Templates and settings: what is saved holds at once, and what is refused costs no typing.

import { createTeam, expect, test, type SendingTeam } from "../fixtures.ts";

let team: SendingTeam;

test.beforeAll(async ({ sendlog, smtp }) => {
  team = await createTeam(sendlog, smtp, "settings");
  const templateId = await team.api.createTemplate({ name: "Note", subject: "A note", text: "." });
  const id = await team.api.send({ templateId, to: "ada@example.com" });
  await team.api.waitFor(id, "sent");
});

test("the time zone of the profile is the zone of the log", async ({ page, as }) => {
  await as("member", team);
  for (const [zone, label] of [
    ["Asia/Kathmandu", "Asia/Kathmandu"],
    ["America/New_York", "America/New York"],
  ]) {
    await page.goto("/settings/profile");
    await page.getByLabel("Name", { exact: true }).fill(`Mia from ${zone}`);
    await page.getByLabel("Time zone").fill(label);
    await page.getByRole("button", { name: "Save" }).click();
    await expect(page.getByText("Profile saved.")).toBeVisible();
    await expect(page.getByLabel("Name", { exact: true })).toHaveValue(`Mia from ${zone}`);

    await page.goto("/logs");
    await expect(page.getByRole("banner")).toContainText(`Mia from ${zone}`);
    const time = page.locator("tbody").getByRole("row").first().locator("time");
    const at = new Date((await time.getAttribute("datetime"))!);
    const clock = at.toLocaleTimeString("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
    await expect(time).toContainText(clock);
    await expect(time).toHaveAttribute("title", new RegExp(`${zone} \\(UTC[+-]\\d\\d:\\d\\d\\)$`));
  }
});

test("a mistyped time zone is refused beside its field, and a place is enough", async ({ page, as }) => {
  await as("member", team);
  await page.goto("/settings/profile");
  await page.getByLabel("Time zone").fill("Atlantis");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByLabel("Time zone")).toHaveValue("Atlantis");
  await expect(page.getByLabel("Time zone")).toHaveAttribute("aria-invalid", "true");
  await expect(page.locator("#time_zone-error")).toContainText("“Atlantis” is not a time zone");
  await page.getByLabel("Time zone").fill("kathmandu");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Profile saved.")).toBeVisible();
  await expect(page.getByLabel("Time zone")).toHaveValue("Asia/Kathmandu");
});

test("members are found by a part of their name, address or role", async ({ page, as }) => {
  await as("owner", team);
  await page.goto("/settings/members?q=OWNER");
  const members = page.getByRole("region", { name: "Members" });
  await expect(members.locator("tbody").getByRole("row")).toHaveCount(1);
  await members.getByRole("searchbox", { name: "Find a member" }).fill("nobody at all");
  await page.keyboard.press("Enter");
  await expect(members).toContainText("No name, address or role matches.");
  await members.getByRole("link", { name: "Show all" }).click();
  await expect(page).toHaveURL("/settings/members");
});

test("what was done to a template is one link away, with the lines that changed", async ({ page, as, hasScript }) => {
  const name = `Lines ${hasScript}`;
  await as("owner", team);
  const id = await team.api.createTemplate({ name, subject: "Hi", text: "one\ntwo\nthree\nfour\nfive\nsix\nseven" });
  await page.goto(`/templates/${id}`);
  await page.getByLabel("Text body").fill("one\ntwo\nthree\n4\nfive\nsix\nseven");
  await page.getByRole("button", { name: "Save as a new version" }).click();
  await expect(page.getByText("version 2").first()).toBeVisible();
  await page.getByRole("link", { name: "History" }).click();
  await expect(page).toHaveURL(`/settings/audit?preset=all&object=${id}`);
  const log = page.getByRole("region", { name: "Audit log" });
  await expect(log.locator("tbody").getByRole("row")).toHaveCount(2);
  await expect(log).toContainText(`Only entries about ${name}`);
  await expect(log.locator("ins").filter({ hasText: "+ 4" })).toBeVisible();
  await expect(log.locator("del").filter({ hasText: "− four" })).toBeVisible();
  await expect(log).toContainText("unchanged line");
});

test("the filter of the audit log shows the whole of what is chosen", async ({ page, as }) => {
  await page.setViewportSize({ width: 1440, height: 900 });
  await as("owner", team);
  await page.goto("/settings/audit");
  const action = page.getByLabel("What was done");
  await action.selectOption({ label: "Roles and permissions: all" });
  const room = await action.evaluate((select: HTMLSelectElement) => {
    const style = getComputedStyle(select);
    const context = document.createElement("canvas").getContext("2d")!;
    context.font = style.font;
    const inside = select.clientWidth - parseFloat(style.paddingInlineStart) - parseFloat(style.paddingInlineEnd);
    return inside - context.measureText(select.selectedOptions[0]!.text).width;
  });
  expect(room).toBeGreaterThan(0);
});

test("help leads to the document about the page, and on to others", async ({ page, as }) => {
  await as("owner", team);
  await page.goto("/settings/audit");
  await page.getByRole("link", { name: "Help" }).click();
  await expect(page).toHaveURL("/help/access");
  await page.getByRole("navigation", { name: "Breadcrumb" }).getByRole("link", { name: "Help" }).click();
  await page.getByRole("main").getByRole("link", { name: "search.md" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Finding messages" })).toBeVisible();
  await expect(page.getByRole("heading", { level: 2, name: "Qualifiers" })).toBeVisible();
});

test("a template is refused with its error, corrected, made, and changed", async ({ page, as, hasScript }) => {
  const name = `Welcome ${hasScript}`;
  await as("member", team);
  await page.goto("/templates");
  await page.getByRole("link", { name: "New template" }).click();
  await expect(page).toHaveURL("/templates/new");
  const html = "<p>Hello {{ name }}</p>\n<p>{{ broken </p>";
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Subject").fill("Welcome, {{ name }}!");
  await page.getByLabel("HTML body").fill(html);
  await page.getByLabel("Text body").fill("Hello {{ name }}");
  await page.getByRole("button", { name: "Create the template" }).click();

  await expect(page.getByRole("alert")).toContainText("look at the field “HTML body”");
  await expect(page.getByLabel("HTML body")).toHaveAccessibleDescription(/HTML body, line 2: .*is not closed with/);
  await expect(page).toHaveURL("/templates/new");
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue(name);
  await expect(page.getByLabel("Subject")).toHaveValue("Welcome, {{ name }}!");
  expect((await page.getByLabel("HTML body").inputValue()).replaceAll("\r\n", "\n")).toBe(html);
  await expect(page.getByLabel("Text body")).toHaveValue("Hello {{ name }}");

  await page.getByLabel("HTML body").fill("<p>Hello {{ name }}</p>");
  await page.getByRole("button", { name: "Create the template" }).click();
  await expect(page).toHaveURL(/\/templates\/tpl_/);
  await expect(page.getByRole("heading", { level: 1, name })).toBeVisible();
  await expect(page.getByText(`Template “${name}” created.`)).toBeVisible();

  await page.getByLabel("Subject").fill("Hello, {{ name }}!");
  await page.getByRole("button", { name: "Save as a new version" }).click();
  await expect(page.getByText("Version 2 is the current one.")).toBeVisible();
  await expect(page.getByLabel("Subject")).toHaveValue("Hello, {{ name }}!");
  const versions = page.getByRole("region", { name: "Versions" }).getByRole("link");
  await expect(versions).toHaveCount(2);
  await versions.filter({ hasText: "Version 1" }).click();
  await expect(page.getByLabel("Subject")).toHaveValue("Welcome, {{ name }}!");

  // What it makes is sent with the new version.
  const templateId = new URL(page.url()).pathname.split("/").at(-1)!;
  const id = await team.api.send({ templateId, to: "grace@example.com", variables: { name: "Grace" } });
  expect((await team.api.find(id)).subject).toBe("Hello, Grace!");

  await page.goto("/templates");
  await expect(page.getByRole("row").filter({ hasText: name })).toContainText("2");
});

test("a template of a name that is taken is refused", async ({ page, as }) => {
  await as("member", team);
  await page.goto("/templates/new");
  await page.getByLabel("Name", { exact: true }).fill("Note");
  await page.getByLabel("Subject").fill("Another note");
  await page.getByLabel("Text body").fill("\n  Two lines\n");
  await page.getByRole("button", { name: "Create the template" }).click();
  await expect(page.getByRole("alert")).toContainText("look at the field “Name”");
  await expect(page.getByLabel("Name", { exact: true })).toHaveAccessibleDescription(/exists already/);
  await expect(page.getByLabel("Text body")).toHaveValue("\n  Two lines\n");
});

test("viewers see templates and cannot change them", async ({ page, as }) => {
  await as("viewer", team);
  await page.goto("/templates");
  await expect(page.getByRole("link", { name: "New template" })).toHaveCount(0);
  await page.getByRole("link", { name: "Note", exact: true }).click();
  await expect(page.getByLabel("Subject")).toBeDisabled();
  await expect(page.getByRole("button", { name: /Save|Delete/ })).toHaveCount(0);
});

test("deleting a template asks first, and can be undone", async ({ page, as, hasScript }) => {
  const name = `Doomed ${hasScript}`;
  const id = await team.api.createTemplate({ name, subject: "Doomed", text: "." });
  await as("admin", team);
  await page.goto(`/templates/${id}`);
  await page.getByRole("button", { name: "Delete" }).click();
  const dialog = page.getByRole("dialog", { name: "Delete this template?" });
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await expect(dialog).toBeHidden();
  await page.getByRole("button", { name: "Delete" }).click();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await expect(page).toHaveURL("/templates");
  await expect(page.getByText(`Template “${name}” deleted.`)).toBeVisible();
  await expect(page.getByRole("link", { name })).toHaveCount(0);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(page.getByText(`The template “${name}” is back.`)).toBeVisible();
  await expect(page.getByRole("link", { name })).toHaveCount(1);
});

test("an API key's secret is shown once, and works until it is revoked", async ({ page, as, hasScript }) => {
  const name = `checkout ${hasScript}`;
  await as("admin", team);
  await page.goto("/settings/api-keys");
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Send, and read the log and templates").check();
  await page.getByRole("button", { name: "Create key" }).click();

  const notice = page.getByRole("status").filter({ hasText: "Copy it now" });
  await expect(notice).toBeVisible();
  const secret = (await notice.locator("code").innerText()).trim();
  await expect(page).toHaveURL(/\/settings\/api-keys\??$/);
  const ask = async () =>
    (await fetch(`${team.url}/api/logs`, { headers: { Authorization: `Bearer ${secret}` } })).status;
  expect(await ask()).toBe(200);
  const row = page.getByRole("row").filter({ hasText: name });
  await expect(row).toContainText(secret.slice(0, 8));

  await page.reload();
  await expect(page.getByText(secret)).toHaveCount(0);
  await page.getByRole("button", { name: `Revoke ${name}` }).click();
  const question = page.getByRole("dialog", { name: `Revoke the key “${name}”?` });
  await expect(question).toContainText("Programs that use it get an error at once.");
  await question.getByRole("button", { name: "Revoke for good" }).click();
  await expect(page.getByText(`Key “${name}” revoked.`)).toBeVisible();
  await expect(row).toHaveCount(0);
  await page.getByText(/keys? that ha(s|ve) ended/).click();
  await expect(row).toContainText("revoked");
  expect(await ask()).toBe(401);
});

test("on a phone a key says too when it was last used and who made it", async ({ page, as, hasScript }) => {
  const name = `pocket ${hasScript}`;
  await page.setViewportSize({ width: 390, height: 844 });
  await as("admin", team);
  await page.goto("/settings/api-keys");
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByRole("button", { name: "Create key" }).click();
  const row = page.getByRole("row").filter({ hasText: name });
  await expect(row.getByText("never used", { exact: true })).toBeVisible();
  await expect(row.getByText("made by")).toBeVisible();
});

test("a rotated key has two secrets for a while, and the audit log tells of it", async ({ page, as, hasScript }) => {
  const name = `rotating ${hasScript}`;
  await as("admin", team);
  await page.goto("/settings/api-keys");
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Choose one by one").check();
  const templates = page.locator("details.scope-group").filter({ hasText: "Templates" });
  await templates.locator("summary").click();
  await templates.getByRole("checkbox", { name: "templates:view" }).check();
  await page.getByLabel("Ends", { exact: true }).selectOption({ label: "In 30 days" });
  await page.getByRole("button", { name: "Create key" }).click();
  const notice = page.getByRole("status").filter({ hasText: "Copy it now" });
  const first = (await notice.locator("code").innerText()).trim();
  await expect(page.getByRole("row").filter({ hasText: name })).toContainText(/ends in (29|30) days/);

  await page.getByRole("link", { name, exact: true }).click();
  await expect(page.getByRole("heading", { level: 1, name })).toBeVisible();
  await page.getByLabel("The old secret works for").selectOption({ label: "1 hour" });
  await page.getByRole("button", { name: "Create a new secret" }).click();
  const second = (await notice.locator("code").innerText()).trim();
  expect(second).not.toBe(first);
  const ask = async (secret: string) =>
    (await fetch(`${team.url}/api/templates`, { headers: { "X-API-Key": secret } })).status;
  expect([await ask(first), await ask(second)]).toEqual([200, 200]);
  await page.getByLabel("The old secret works for").selectOption({ label: "It stops working now" });
  await page.getByRole("button", { name: "Create a new secret" }).click();
  await expect(notice.locator("code")).not.toHaveText(second);
  expect([await ask(first), await ask(second)]).toEqual([401, 401]);

  await page.goto("/settings/audit");
  await page.getByLabel("What was done").selectOption({ label: "API key rotated" });
  await page.getByRole("button", { name: "Filter" }).click();
  await expect(page).toHaveURL(/action=api-key\.rotated/);
  const lines = page.getByRole("row").filter({ hasText: name });
  await expect(lines).toHaveCount(2);
  await expect(lines.first()).toContainText("API key rotated");
  await lines.first().getByRole("link", { name }).click();
  await expect(page).toHaveURL(/\/settings\/api-keys\/key_/);
});

test("a key without a permission is refused and keeps its name", async ({ page, as }) => {
  await as("admin", team);
  await page.goto("/settings/api-keys");
  await page.getByLabel("Name", { exact: true }).fill("idle");
  await page.getByLabel("Choose one by one").check();
  for (const group of await page.locator("details.scope-group").all()) {
    if ((await group.getAttribute("open")) === null) {
      await group.locator("summary").click();
    }
  }
  for (const box of await page.getByRole("checkbox").all()) {
    await box.uncheck();
  }
  await page.getByRole("button", { name: "Create key" }).click();
  await expect(page.getByRole("alert")).toBeVisible();
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue("idle");
});

test("an invitation arrives by mail, is sent again, and can be withdrawn", async ({
  page,
  as,
  open,
  smtp,
  allowError,
  hasScript,
}) => {
  allowError(/404/);
  const email = `guest-${hasScript}@acme.example`;
  const letters = () => smtp.messages.filter(({ recipients }) => recipients.includes(email));
  const linkOf = (index: number) => /http\S+\/invite\/\S+/.exec(letters()[index].message.text ?? "")![0];
  await as("admin", team);
  await page.goto("/settings/members");
  await page.getByLabel("Email address").fill(email);
  await page.getByLabel("Role", { exact: true }).selectOption({ label: "Viewer" });
  await page.getByRole("button", { name: "Invite" }).click();
  await expect(page.getByText(`Invitation sent to ${email}.`)).toBeVisible();
  const link = await page.getByText(/^http\S+\/invite\/\S+$/).innerText();
  expect(link).toContain(team.url);
  await expect.poll(() => letters().length).toBe(1);
  expect(linkOf(0)).toBe(link);
  await expect(page.getByRole("row").filter({ hasText: email })).toContainText("Viewer");

  await page.reload();
  await expect(page.getByText(link)).toHaveCount(0);
  await page.getByRole("button", { name: `Send the invitation of ${email} again` }).click();
  await expect(page.getByText(`Invitation sent to ${email}.`)).toBeVisible();
  await expect.poll(() => letters().length).toBe(2);
  const visitor = await open();
  expect((await visitor.goto(link))?.status()).toBe(404);
  expect((await visitor.goto(linkOf(1)))?.status()).toBe(200);
  await expect(visitor.getByText(email)).toBeVisible();

  await page.getByRole("button", { name: `Withdraw the invitation of ${email}` }).click();
  const question = page.getByRole("dialog", { name: "Withdraw the invitation?" });
  await expect(question).toContainText(email);
  await question.getByRole("button", { name: "Withdraw", exact: true }).click();
  await expect(page.getByText(`Invitation of ${email} withdrawn.`)).toBeVisible();
  expect((await visitor.goto(linkOf(1)))?.status()).toBe(404);
});

test("an address that the mail server refuses gets its link by hand", async ({ page, as, hasScript }) => {
  await as("admin", team);
  await page.goto("/settings/members");
  await page.getByLabel("Email address").fill(`refused-${hasScript}@acme.example`);
  await page.getByRole("button", { name: "Invite" }).click();
  await expect(page.getByText("No email went out")).toContainText("550");
  await expect(page.getByText(/^http\S+\/invite\/\S+$/)).toBeVisible();
});

test("who is invited has an address with a domain", async ({ page, as }) => {
  await as("admin", team);
  await page.goto("/settings/members");
  // The browser takes it.
  await page.getByLabel("Email address").fill("eyes.admin@acme");
  await page.getByRole("button", { name: "Invite" }).click();
  await expect(page.getByRole("alert")).toContainText("The part after the @ needs a domain, like example.com");
  await expect(page.getByLabel("Email address")).toHaveValue("eyes.admin@acme");
});

test("the team's name and rules are changed by who may", async ({ page, as }) => {
  await as("viewer", team);
  await page.goto("/settings/team");
  await expect(page.getByLabel("Name", { exact: true })).toBeDisabled();
  await expect(page.getByRole("button", { name: /Save|Delete/ })).toHaveCount(0);

  await as("owner", team);
  await page.goto("/settings/team");
  // The owner of these tests has no second factor.
  await expect(page.getByRole("checkbox", { name: "Members need two-factor authentication" })).toBeDisabled();
  const reason = page.getByRole("checkbox", { name: "Ask for a reason before contents are shown" });
  for (const isOn of [true, false]) {
    await reason.setChecked(isOn);
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await expect(page.getByText("Saved.")).toBeVisible();
    await expect(reason).toBeChecked({ checked: isOn });
  }
});

test("how long things are kept is set by who may", async ({ page, as }) => {
  await as("viewer", team);
  await page.goto("/settings/team");
  await expect(page.getByLabel("Messages, days")).toBeDisabled();
  await expect(page.getByRole("button", { name: "Save the times" })).toHaveCount(0);

  await as("owner", team);
  await page.goto("/settings/team");
  await page.getByLabel("Messages, days").fill("90");
  await page.getByLabel("Events, days").fill("120");
  await page.getByRole("button", { name: "Save the times" }).click();
  // Events go with their message: a longer time of theirs is refused, and what was typed stays.
  await expect(page.getByRole("alert")).toContainText("look at the field “Events, days”");
  await expect(page.getByLabel("Events, days")).toHaveAccessibleDescription(/^Events go with their messages/);
  await expect(page.getByLabel("Events, days")).toHaveValue("120");

  for (const days of ["30", ""]) {
    await page.getByLabel("Messages, days").fill(days === "" ? "" : "90");
    await page.getByLabel("Events, days").fill(days);
    await page.getByRole("button", { name: "Save the times" }).click();
    await expect(page.getByText("Saved.")).toBeVisible();
    await expect(page.getByLabel("Events, days")).toHaveValue(days);
  }
});

test("a team is deleted by typing its name", async ({ page, as, sendlog, smtp, hasScript, allowError }) => {
  allowError(/403/);
  const doomed = await createTeam(sendlog, smtp, `doomed-${hasScript}`);
  await as("owner", doomed);
  await page.goto("/settings/team");
  const name = await page.getByLabel("Name", { exact: true }).inputValue();
  for (const typed of ["another name", name]) {
    await page.getByRole("button", { name: "Delete the team" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("The team's name").fill(typed);
    await dialog.getByRole("button", { name: "Delete for good" }).click();
    if (typed !== name) {
      await expect(page.getByRole("alert")).toContainText("Nothing was deleted");
    }
  }
  await page.goto("/settings/members");
  await expect(page.getByText(doomed.users.member.email)).toHaveCount(0);
});
