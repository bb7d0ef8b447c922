// What the bar offers for chosen rows: canceling those that wait for their time, and what cannot be resent stands back.

import { createTeam, demoTest, expect, expectAccessible, test, type SendingTeam } from "../fixtures.ts";

/** A message that goes out in two hours. */
async function schedule(team: SendingTeam, to: string): Promise<void> {
  const response = await fetch(`${team.url}/resend/emails`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${team.key}` },
    body: JSON.stringify({
      from: `hello@${team.slug}.example`, to: [to], subject: "Later", text: "Hi", scheduled_at: "in 2 hours",
    }),
  });
  expect(response.status, await response.text()).toBe(200);
}

test("what waits for its time is canceled from the chosen rows", async ({ page, as, sendlog, smtp, hasScript }) => {
  const team = await createTeam(sendlog, smtp, `selection-${hasScript}`);
  await schedule(team, "ada@example.com");
  await schedule(team, "bob@example.com");
  const templateId = await team.api.createTemplate({ name: "Receipt", subject: "Receipt", text: "Thanks" });
  await team.api.waitFor(await team.api.send({ templateId, to: "eve@example.com" }), "sent");
  await as("owner", team);
  await page.goto("/logs");
  const boxes = page.getByRole("checkbox", { name: /^Choose the message to/ });
  await expect(boxes).toHaveCount(3);
  const cancel = page.getByRole("button", { name: "Cancel scheduled …" });
  await page.getByRole("checkbox", { name: "Choose the message to eve@example.com" }).check();
  if (hasScript) {
    await expect(cancel).toBeHidden();
  }
  await page.getByRole("checkbox", { name: "Choose the message to ada@example.com" }).check();
  await cancel.click();
  await expect(page.getByRole("heading", { level: 1, name: "Cancel messages" })).toBeVisible();
  await expect(page.getByText("1 message will not go out.")).toBeVisible();
  await expect(page.getByText("1 more that you chose does not wait for a time")).toBeVisible();
  if (hasScript) {
    await expectAccessible(page);
  }
  await page.getByRole("button", { name: "Cancel 1 message" }).click();
  await expect(page.getByText("1 message is canceled.")).toBeVisible();
  await page.goto("/logs?q=is:scheduled");
  await expect(boxes).toHaveCount(1);
});

test("a viewer is not offered to cancel", async ({ page, as, sendlog, smtp, hasScript }) => {
  const team = await createTeam(sendlog, smtp, `selection-viewer-${hasScript}`);
  await schedule(team, "ada@example.com");
  await as("viewer", team);
  await page.goto("/logs");
  await expect(page.getByRole("table", { name: "Messages" })).toContainText("ada@example.com");
  await expect(page.getByRole("button", { name: "Cancel scheduled …" })).toHaveCount(0);
});

demoTest("resending stands back while nothing chosen can be resent", async ({ page, as, hasScript }) => {
  demoTest.skip(!hasScript, "without scripts the page does not follow the boxes");
  await as("owner");
  const colourFor = async (status: string): Promise<string> => {
    await page.goto(`/logs?preset=30d&status=${status}`);
    await page.locator("html[data-alive]").waitFor();
    await page.getByRole("checkbox", { name: /^Choose the message to/ }).first().check();
    const button = page.getByRole("button", { name: "Resend chosen …" });
    await expect(button).toBeVisible();
    return button.evaluate((element) => getComputedStyle(element).color);
  };
  expect(await colourFor("queued")).not.toBe(await colourFor("bounced"));
});

demoTest("r resends what is chosen, Escape chooses none, and a row that cannot be resent says so", async ({
  page, as, hasScript,
}) => {
  demoTest.skip(!hasScript, "keys are a script's");
  await as("owner");
  await page.goto("/logs?preset=30d&status=bounced");
  await page.locator("html[data-alive]").waitFor();
  const boxes = page.getByRole("checkbox", { name: /^Choose the message to/ });
  await page.keyboard.press("j");
  await page.keyboard.press("x");
  await page.keyboard.press("j");
  await page.keyboard.press("x");
  await expect(page.getByText("2 chosen")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("button", { name: "Resend chosen …" })).toBeHidden();
  await expect(boxes.first()).not.toBeChecked();
  await page.keyboard.press("x");
  await page.keyboard.press("r");
  await expect(page).toHaveURL(/\/resends\/new\?ids=eml_.*&preset=30d&status=bounced/);

  await page.goto("/logs?preset=30d&status=queued");
  await page.locator("html[data-alive]").waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("r");
  await expect(page.locator("#row-told")).toHaveText("This message cannot be resent here; open it.");
});
