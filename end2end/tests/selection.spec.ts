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
  if (hasScript) {
    // Nothing is done yet.
    await page.goBack();
    await expect(page.getByText("2 chosen")).toBeVisible();
    await cancel.click();
  }
  await page.getByRole("button", { name: "Cancel 1 message" }).click();
  await expect(page.getByText("1 message is canceled.")).toBeVisible();
  if (hasScript) {
    await page.goto("/logs");
    await page.locator("html[data-alive]").waitFor();
    await expect(boxes).toHaveCount(3);
    await expect(page.getByRole("group", { name: "Chosen messages" })).toBeHidden();
  }
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

demoTest("what is chosen stays while one looks at a message, until it is cleared or another list is shown", async ({
  page, as, hasScript,
}) => {
  demoTest.skip(!hasScript, "without scripts no page keeps what is chosen");
  await as("owner");
  const boxes = page.getByRole("checkbox", { name: /^Choose the message to/ });
  const bar = page.getByRole("group", { name: "Chosen messages" });
  const show = async (status: string): Promise<void> => {
    await page.goto(`/logs?preset=30d&status=${status}`);
    await page.locator("html[data-alive]").waitFor();
  };
  const look = async (): Promise<void> => {
    await page.locator("tbody .row-link").nth(2).click();
    await expect(page).toHaveURL(/\/logs\/eml_/);
    await page.locator("html[data-alive]").waitFor();
  };
  const comeBack = async (): Promise<void> => {
    await expect(page).toHaveURL(/\/logs\?preset=30d&status=bounced/);
    await page.locator("html[data-alive]").waitFor();
  };
  await show("bounced");
  await boxes.nth(0).check();
  await boxes.nth(3).check();
  const ways = [
    () => page.keyboard.press("Escape"),
    () => page.getByRole("navigation", { name: "Breadcrumb" }).getByRole("link", { name: "Logs" }).click(),
    () => page.goBack(),
  ];
  for (const way of ways) {
    await look();
    await way();
    await comeBack();
    await expect(bar).toContainText("2 chosen");
    await expect(boxes.nth(0)).toBeChecked();
    await expect(boxes.nth(2)).not.toBeChecked();
    await expect(boxes.nth(3)).toBeChecked();
  }

  await bar.getByRole("button", { name: "Clear" }).click();
  await look();
  await page.goBack();
  await comeBack();
  await expect(bar).toBeHidden();

  await boxes.nth(0).check();
  await expect(bar).toContainText("1 chosen");
  await show("delivered");
  await expect(bar).toBeHidden();
  await show("bounced");
  await expect(bar).toBeHidden();
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
  const told = page.locator("#row-told");
  await expect(told).toHaveText("This message cannot be resent here; open it.");
  // It is for eyes too, and speaks of no other row.
  await expect(told).toBeInViewport({ ratio: 0.9 });
  expect((await told.boundingBox())!.height).toBeGreaterThan(20);
  await page.keyboard.press("j");
  await expect(told).toBeEmpty();
});
