// What roles may do, and that a change holds on the next request.

import { createTeam, expect, test, type SendingTeam } from "../fixtures.ts";
import type { Page } from "@playwright/test";

const resend = "Resend messages that failed or bounced";
const updateRole = "Change roles and what they grant";

let team: SendingTeam;
let bounced: string;

// A team of its own: its grants change.
test.beforeAll(async ({ sendlog, smtp }) => {
  team = await createTeam(sendlog, smtp, "grants");
  const templateId = await team.api.createTemplate({ name: "Note", subject: "A note", text: "." });
  bounced = await team.api.send({ templateId, to: "refused@example.com" });
  await team.api.waitFor(bounced, "bounced");
});

/** Ticks or unticks a box of the grid; without a script the grid is saved by its button. */
async function setGrant(page: Page, role: string, permission: string, granted: boolean): Promise<void> {
  await page.goto("/settings/roles");
  const box = page.getByRole("checkbox", { name: `${role}: ${permission}` });
  await box.setChecked(granted);
  const save = page.getByRole("button", { name: "Save" });
  if (await save.isVisible()) {
    await save.click();
  }
  const said = granted ? "can now" : "can no longer";
  const deed = permission.charAt(0).toLowerCase() + permission.slice(1);
  await expect(page.getByRole("status").filter({ hasText: `${role} ${said} ${deed}.` })).toBeVisible();
  await page.reload();
  await expect(box).toBeChecked({ checked: granted });
}

async function expectResendButton(page: Page, count: 0 | 1): Promise<void> {
  await page.goto(`/logs/${bounced}`);
  await expect(page.getByRole("main")).toContainText(bounced);
  await expect(page.getByRole("button", { name: "Resend" })).toHaveCount(count);
}

test("an owner grants `logs:resend` to viewers and withdraws it", async ({ page, as, open }) => {
  const viewer = await open("viewer", team);
  await expectResendButton(viewer, 0);

  await as("owner", team);
  await setGrant(page, "Viewer", resend, true);
  await viewer.reload();
  await expect(viewer.getByRole("button", { name: "Resend" })).toHaveCount(1);

  await setGrant(page, "Viewer", resend, false);
  await viewer.reload();
  await expect(viewer.getByRole("button", { name: "Resend" })).toHaveCount(0);
});

test("boxes ticked one right after the other all hold, and show it", async ({ page, as }) => {
  await as("owner", team);
  await page.goto("/settings/roles");
  const labels = ["Export the log to a file", resend, "Send messages"];
  const boxes = labels.map((label) => page.getByRole("checkbox", { name: `Viewer: ${label}`, exact: true }));
  for (const isTicked of [true, false]) {
    for (const box of boxes) {
      await box.setChecked(isTicked);
    }
    const save = page.getByRole("button", { name: "Save" });
    if (await save.isVisible()) {
      await save.click();
    }
    await expect(page.getByRole("status").filter({ hasText: /^Viewer can (now|no longer) / })).toBeVisible();
    await expect(page.locator("form[data-saving]")).toHaveCount(0);
    for (const box of boxes) {
      await expect(box).toBeChecked({ checked: isTicked });
    }
    await page.reload();
    for (const box of boxes) {
      await expect(box).toBeChecked({ checked: isTicked });
    }
  }
});

test("on a phone the grid keeps its head and its first column in sight, and every role can be reached", async ({ page, as }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await as("owner", team);
  await page.goto("/settings/roles");
  const grid = page.getByRole("region", { name: "Roles and permissions" });
  await grid.evaluate((element) => {
    element.scrollIntoView({ block: "end" });
    element.scrollTo(element.scrollWidth, element.scrollHeight);
  });
  await expect(grid.locator("tbody tr").last().locator("td").last()).toBeInViewport({ ratio: 0.95 });
  await expect(grid.locator("tbody tr").last().locator("th")).toBeInViewport({ ratio: 0.95 });
  await expect(grid.locator("thead th").first()).toBeInViewport({ ratio: 0.95 });
  await expect(grid.locator("thead th").last()).toBeInViewport({ ratio: 0.95 });
});

test("an admin who may change roles grants `logs:resend`", async ({ page, as, open }) => {
  const [viewer, admin] = [await open("viewer", team), await open("admin", team)];
  await admin.goto("/settings/roles");
  await expect(admin.getByRole("checkbox")).toHaveCount(0);

  await as("owner", team);
  await setGrant(page, "Admin", updateRole, true);
  await setGrant(admin, "Viewer", resend, true);
  await expectResendButton(viewer, 1);

  await setGrant(admin, "Viewer", resend, false);
  await setGrant(page, "Admin", updateRole, false);
  await expectResendButton(viewer, 0);
  await admin.reload();
  await expect(admin.getByRole("checkbox")).toHaveCount(0);
});

test("without `logs:view` the log is closed, and the page says why", async ({ page, as, open, allowError }) => {
  allowError(/403/);
  const viewer = await open("viewer", team);
  await as("owner", team);
  await setGrant(page, "Viewer", "View the log and its statistics", false);
  const response = await viewer.goto("/logs");
  expect(response?.status()).toBe(403);
  await expect(viewer.getByRole("heading", { level: 1, name: "You may not see this" })).toBeVisible();
  const words = "Your role cannot view the log and its statistics. Ask The owner (owner).";
  await expect(viewer.getByRole("main")).toContainText(words);
  await setGrant(page, "Viewer", "View the log and its statistics", true);
  await viewer.goto("/logs");
  await expect(viewer.getByRole("heading", { level: 1, name: "Logs" })).toBeVisible();
});

test("a member's new role holds on their next request", async ({ page, as, open }) => {
  const viewer = await open("viewer", team);
  await expectResendButton(viewer, 0);

  await as("owner", team);
  const changeTo = async (label: string) => {
    await page.goto("/settings/members");
    const row = page.getByRole("row").filter({ hasText: team.users.viewer.email });
    await row.getByRole("combobox").selectOption({ label });
    await row.getByRole("button", { name: "Save" }).click();
    await expect(page.getByText(`now has the role “${label}”.`)).toBeVisible();
    await expect(row.getByRole("combobox").locator("option:checked")).toHaveText(label);
  };
  await changeTo("Admin");
  await expectResendButton(viewer, 1);
  await changeTo("Viewer");
  await expectResendButton(viewer, 0);
});

test("members without the permission see roles and members and change nothing", async ({ page, as }) => {
  await as("member", team);
  await page.goto("/settings/roles");
  await expect(page.getByText("Your role cannot change roles. Ask The owner (owner).")).toBeVisible();
  await expect(page.getByRole("checkbox")).toHaveCount(0);
  await page.goto("/settings/members");
  await expect(page.getByText(team.users.owner.email)).toBeVisible();
  await expect(page.getByText("Your role cannot change the roles of members. Ask The owner (owner).")).toBeVisible();
  await expect(page.getByRole("combobox")).toHaveCount(0);
  await expect(page.getByRole("button", { name: /^(Save|Remove|Invite)/ })).toHaveCount(0);
});

test("an owner makes a role, gives it, and deletes it", async ({ page, as, open, hasScript }) => {
  const name = `Support ${hasScript}`;
  const viewer = await open("viewer", team);
  await as("owner", team);
  await page.goto("/settings/roles");
  await page.getByText("Create a role", { exact: true }).click();
  await page.getByLabel("Name", { exact: true }).fill("Viewer");
  await page.getByLabel("Description").fill("Answers customers");
  await page.getByRole("button", { name: "Create the role" }).click();
  await expect(page.getByRole("alert")).toContainText("look at the field “Name”");
  await expect(page.getByLabel("Name", { exact: true })).toHaveAccessibleDescription(/built-in role/);
  await expect(page.getByLabel("Description")).toHaveValue("Answers customers");
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Starts with").selectOption({ label: "Nothing yet" });
  await page.getByRole("button", { name: "Create the role" }).click();
  await expect(page).toHaveURL(/\/settings\/roles\/rol_/);
  await expect(page.getByRole("heading", { level: 1, name })).toBeVisible();
  await expect(page.getByText("Nobody has this role.")).toBeVisible();
  const rolePage = page.url();

  await page.getByRole("checkbox", { name: /logs:view$/ }).check();
  const save = page.getByRole("button", { name: "Save what it may do" });
  if (await save.isVisible()) {
    await save.click();
  }
  const saved = `${name} can now view the log and its statistics.`;
  await expect(page.getByRole("status").filter({ hasText: saved })).toBeVisible();

  const email = team.users.viewer.email;
  const changeTo = async (label: string) => {
    await page.goto("/settings/members");
    const row = page.getByRole("row").filter({ hasText: email });
    await row.getByRole("combobox").selectOption({ label });
    await row.getByRole("button", { name: "Save" }).click();
    await expect(page.getByText(`now has the role “${label}”.`)).toBeVisible();
  };
  await changeTo(name);
  await expectResendButton(viewer, 0);
  await setGrant(page, name, resend, true);
  await expectResendButton(viewer, 1);

  await page.goto(rolePage);
  await expect(page.getByRole("region", { name: "Who holds it" })).toContainText(email);
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("The viewer has this role");
  await dialog.getByLabel("Role for its members and invitations").selectOption({ label: "Viewer" });
  await dialog.getByRole("button", { name: "Delete the role" }).click();
  await expect(page).toHaveURL("/settings/roles");
  await expect(page.getByText(`Role “${name}” deleted. Its members now have the role “Viewer”.`)).toBeVisible();
  await expect(page.getByRole("link", { name })).toHaveCount(0);
  await expectResendButton(viewer, 0);
});

test("removing a member asks first, and what becomes of their keys", async ({
  page,
  as,
  sendlog,
  smtp,
  hasScript,
}) => {
  const leaving = await createTeam(sendlog, smtp, `leaving-${hasScript}`);
  await as("owner", leaving);
  await page.goto("/settings/members");
  const row = page.getByRole("row").filter({ hasText: leaving.users.viewer.email });
  await row.getByRole("button", { name: "Remove The viewer" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("loses access to the team at once");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await expect(dialog).toBeHidden();
  await row.getByRole("button", { name: "Remove The viewer" }).click();
  await dialog.getByRole("button", { name: "Remove from the team" }).click();
  await expect(page.getByText("The viewer is removed from the team.")).toBeVisible();
  await expect(row).toHaveCount(0);
});
