// What the log finds while one types: suggestions of the search, and a template among many, with clicks and keys counted.

import { createTeam, demoTest, expect, expectAccessible, test as freshTest } from "../fixtures.ts";
import type { Locator, Page } from "@playwright/test";

const test = demoTest;

function field(page: Page): Locator {
  return page.getByLabel("Search messages");
}

/** Waits until the field is the combobox that scripts make of it. */
async function expectAlive(page: Page): Promise<void> {
  await page.locator("html[data-alive]").waitFor();
  await expect(field(page)).toHaveRole("combobox");
}

function suggestions(page: Page): Locator {
  return page.getByRole("listbox", { name: "Suggestions" }).getByRole("option");
}

function tell(task: string, count: string): void {
  console.log(`${task}: ${count}`);
}

test("problems are found by two letters, three choices and Enter", async ({ page, as, hasScript }) => {
  test.skip(!hasScript, "the menu “Search by…” stays without scripts");
  await as("member");
  await page.goto("/logs?preset=30d");
  await expectAlive(page);
  await field(page).click();
  await field(page).pressSequentially("st");
  await expect(suggestions(page)).toHaveText([/^status:/]);
  await expect(field(page)).toHaveAttribute("aria-expanded", "true");
  await field(page).press("ArrowDown");
  const active = await suggestions(page).first().getAttribute("id");
  await expect(field(page)).toHaveAttribute("aria-activedescendant", String(active));
  await field(page).press("Enter");
  await expect(field(page)).toHaveValue("status:");
  await expect(suggestions(page)).toHaveCount(9);
  await expectAccessible(page);
  await field(page).pressSequentially("p");
  await expect(suggestions(page)).toHaveText([/^problems/]);
  await field(page).press("ArrowDown");
  await field(page).press("Tab");
  // The next word can begin.
  await expect(field(page)).toHaveValue("status:problems ");
  await expect(field(page)).toBeFocused();
  await expect(suggestions(page)).toHaveCount(0);
  await field(page).press("Enter");
  await expect(page).toHaveURL(/q=status%3Aproblems/);
  tell("all problems by suggestions", "1 click, 8 keys");
});

test("a click takes a suggestion, Esc keeps what was typed, and only the part at the caret changes", async ({
  page, as, hasScript,
}) => {
  test.skip(!hasScript, "there are no suggestions without scripts");
  await as("viewer");
  await page.goto("/logs?preset=30d");
  await expectAlive(page);
  await field(page).fill("ada channel:sms,");
  await expect(suggestions(page).filter({ hasText: "email" })).toBeVisible();
  await suggestions(page).filter({ hasText: "push" }).click();
  await expect(field(page)).toHaveValue("ada channel:sms,push");
  await field(page).fill("te");
  await expect(suggestions(page)).toHaveText([/^template:/]);
  await field(page).press("Escape");
  await expect(suggestions(page)).toHaveCount(0);
  await expect(field(page)).toHaveValue("te");
});

test("Enter searches for the only value that begins so, and for a whole value as it stands", async ({
  page, as, hasScript,
}) => {
  test.skip(!hasScript, "there are no suggestions without scripts");
  await as("viewer");
  await page.goto("/logs?preset=30d");
  await expectAlive(page);
  await field(page).fill("status:bounced,fai");
  await expect(suggestions(page)).toHaveText([/^failed/]);
  await field(page).press("Enter");
  await expect(page).toHaveURL(/q=status%3Abounced%2Cfailed/);
  await page.goto("/logs?preset=30d");
  await expectAlive(page);
  await field(page).fill("channel:sms");
  await field(page).press("Enter");
  await expect(page).toHaveURL(/q=channel%3Asms/);
  // A word stays a word, whatever is suggested for it.
  await page.goto("/logs?preset=30d");
  await expectAlive(page);
  await field(page).fill("crm");
  await expect(suggestions(page).first()).toHaveText(/^key:crm/);
  await field(page).press("Enter");
  await expect(page).toHaveURL(/q=crm/);
});

freshTest("one template of many is found by a part of its name", async ({ page, as, sendlog, smtp, hasScript }) => {
  const team = await createTeam(sendlog, smtp, `suggest-${hasScript}`);
  for (let n = 10; n < 30; n++) {
    await team.api.createTemplate({ name: `Letter ${n}`, subject: "Letter", text: "Thanks" });
  }
  const templateId = await team.api.createTemplate({ name: "Newest", subject: "Newest", text: "Thanks" });
  await team.api.send({ templateId, to: "ada@example.com", variables: {} });
  await as("owner", team);
  await page.goto("/logs");
  await page.locator("summary").filter({ hasText: "Template" }).click();
  const links = page.getByRole("link", { name: /^Letter / });
  await expect(links).toHaveCount(9);
  if (hasScript) {
    await expectAlive(page);
  }
  await page.getByLabel("Find a template").fill("ter 12");
  if (!hasScript) {
    await page.getByLabel("Find a template").press("Enter");
    await expect(page).toHaveURL(/\/logs\/templates\?/);
  }
  await expect(links).toHaveText(["Letter 12"]);
  await links.click();
  await expect(page).toHaveURL(/\/logs\?.*template=tpl_/);
  await expect(page.getByRole("link", { name: "Remove the filter template: Letter 12" })).toBeVisible();
  tell("a template among 21", hasScript ? "3 clicks and a part of its name" : "3 clicks, a part of its name and Enter");
});
