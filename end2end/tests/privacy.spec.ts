// What is held, a legal hold, and one person: looked up, given out and forgotten.

import { readFile } from "node:fs/promises";

import { createTeam, expect, expectAccessible, test, type SendingTeam } from "../fixtures.ts";

let team: SendingTeam;

test.beforeAll(async ({ sendlog, smtp }) => {
  team = await createTeam(sendlog, smtp, "privacy");
});

test("a person is looked up, given out and forgotten, by keyboard too", async ({ page, as, hasScript }) => {
  // Forgetting goes through every table until nothing is left to change.
  test.slow();
  const address = `ada-${hasScript}@example.com`;
  const template = await team.api.createTemplate({ name: `Privacy ${hasScript}`, subject: "Order", html: "<p>Order</p>", text: "Order" });
  const sent = await team.api.send({ templateId: template, to: address });
  await team.api.waitFor(sent, "sent");
  await as("admin", team);
  await page.goto("/settings/team");
  await page.getByRole("link", { name: "Privacy" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Privacy" })).toBeVisible();
  await expect(page.getByRole("region", { name: "What is held" }).getByRole("row")).toHaveCount(7);
  for (const width of [390, 768, 1440]) {
    await page.setViewportSize({ width, height: 900 });
    const fits = await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth");
    expect(fits, `${width}`).toBe(true);
  }

  const lookUp = async () => {
    await page.goto("/settings/privacy");
    await page.getByRole("region", { name: "One person" }).getByLabel("Address").focus();
    await page.keyboard.type(address.toUpperCase());
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { level: 2, name: "What there is" })).toBeVisible();
    expect(page.url()).not.toContain("ada");
  };
  await lookUp();
  if (hasScript) {
    await expectAccessible(page);
  }
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download the file" }).click();
  const file = await readFile(await (await download).path(), "utf8");
  expect(file.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line).kind)).toContain("message");

  await page.getByLabel("Type the address to confirm").fill(address);
  await page.getByRole("button", { name: "Forget for good" }).click();
  await expect(page.getByText("This person is being forgotten.")).toBeVisible();
  const rows = page.getByRole("region", { name: "People who were forgotten" }).getByRole("row");
  await expect(async () => {
    await page.goto("/settings/privacy");
    await expect(rows.nth(1)).toContainText("Done", { timeout: 500 });
  }).toPass();
  await page.goto(`/logs/${sent}`);
  await expect(page.getByText("@forgotten.invalid").filter({ visible: true }).first()).toBeVisible();
  await expect(page.getByText(address)).toHaveCount(0);
});

test("a hold is placed, shown on its message, and lifted", async ({ page, as, hasScript }) => {
  const name = `Matter ${hasScript}`;
  const template = await team.api.createTemplate({ name: `Hold ${hasScript}`, subject: "Held", html: "<p>Held</p>", text: "Held" });
  const sent = await team.api.send({ templateId: template, to: `held-${hasScript}@example.com` });
  await as("admin", team);
  await page.goto("/settings/privacy");
  const form = page.getByRole("region", { name: "Place a legal hold" });
  await form.getByLabel("Name").fill(name);
  await form.getByLabel("Reason").fill("A court asked");
  await expect(form.getByLabel("Message")).toBeHidden();
  await form.getByLabel("What it covers").selectOption({ label: "One message" });
  await form.getByLabel("Message").fill(sent);
  await form.getByRole("button", { name: "Place the hold" }).click();
  await expect(page.getByText(`The hold ${name} is in force`)).toBeVisible();
  await page.goto(`/logs/${sent}`);
  await expect(page.getByRole("note", { name: "Legal hold" })).toContainText(name);
  await page.goto("/settings/privacy");
  await page.getByRole("button", { name: `Lift the hold ${name}` }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Reason").fill("Closed");
  await dialog.getByRole("button", { name: "Lift" }).click();
  await expect(page.getByText(`The hold ${name} is lifted`)).toBeVisible();
});
