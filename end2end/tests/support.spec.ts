// The whole story of a role: an owner makes it, invites somebody to it, widens it, and reads all of that in the audit log.

import { createTeam, expect, test } from "../fixtures.ts";

const secret = "https://acme.example/reset/k3j9x0q7";

test("somebody in support sees the log masked, and resends once that is granted", async ({
  page, as, open, sendlog, smtp, allowError, hasScript,
}) => {
  test.slow();
  allowError(/403/);
  const team = await createTeam(sendlog, smtp, `support-${hasScript}`);
  const templateId = await team.api.createTemplate({ name: "Reset", subject: "Your link", text: "Open {{ link }}" });
  const bounced = await team.api.send({ templateId, to: "refused@example.com", variables: { link: secret } });
  await team.api.waitFor(bounced, "bounced");
  const guest = `sasha@support-${hasScript}.example`;

  await as("owner", team);
  await page.goto("/settings/roles");
  await page.getByText("Create a role", { exact: true }).click();
  await page.getByLabel("Name", { exact: true }).fill("Support");
  await page.getByLabel("Description").fill("Answers customers");
  await page.getByLabel("Starts with").selectOption({ label: "Nothing yet" });
  await page.getByRole("button", { name: "Create the role" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Support" })).toBeVisible();
  const role = new URL(page.url()).pathname;
  const grant = async (permission: string) => {
    await page.goto(role);
    const box = page.locator(`input[name="grants[]"][value$=" ${permission}"]`);
    await box.check();
    const save = page.getByRole("button", { name: "Save what it may do" });
    if (await save.isVisible()) {
      await save.click();
    }
    await expect(page.getByRole("status").filter({ hasText: /^Support can now / })).toBeVisible();
    await page.reload();
    await expect(box).toBeChecked();
  };
  await grant("logs:view");

  await page.goto("/settings/members");
  await page.getByLabel("Email address").fill(guest);
  await page.getByLabel("Role", { exact: true }).selectOption({ label: "Support" });
  await page.getByRole("button", { name: "Invite" }).click();
  const [letter] = await smtp.waitFor(guest);
  const link = letter!.message.text!.match(/http\S+\/invite\/\S+/)![0];

  const support = await open();
  await support.goto(link);
  await support.getByLabel("Your name").fill("Sasha Okafor");
  await support.getByLabel("Password").fill("a long enough password");
  await support.getByRole("button", { name: "Join the team" }).click();
  await expect(support).toHaveURL("/logs");
  await expect(support.getByRole("banner")).toContainText("Support");
  await expect(support.getByRole("row").filter({ hasText: "refused@example.com" })).toBeVisible();
  const message = `/logs/${bounced}`;
  await support.goto(message);
  await expect(support.getByRole("main")).toContainText(bounced);
  expect(await support.content()).not.toContain(secret);
  await expect(support.getByRole("button", { name: "Resend" })).toHaveCount(0);
  const body = await support.request.get(`${message}/body`);
  expect(await body.text()).not.toContain(secret);
  const json = await support.request.get(`/api/logs/${bounced}`);
  expect(await json.text()).not.toContain(secret);
  // The owner's page does show it.
  await page.goto(message);
  expect(await page.content()).toContain(secret);

  await grant("logs:resend");
  await support.reload();
  await expect(support.getByRole("button", { name: "Resend" })).toHaveCount(1);
  expect(await support.content()).not.toContain(secret);

  await page.goto("/settings/audit");
  const lines = page.getByRole("main");
  for (const step of ["Role created", "Allowed", "Member invited", "Member joined"]) {
    await expect(lines.getByText(step).filter({ visible: true }).first()).toBeVisible();
  }
  for (const detail of ["Support", guest, "view the log and its statistics", "resend messages that failed or bounced", team.users.owner.email]) {
    await expect(lines.getByText(detail).filter({ visible: true }).first()).toBeVisible();
  }
});
