// The questions that people come with, each answered from the log: how many clicks and keys each answer takes.

import { search, tell } from "../clicks.ts";
import { createTeam, expect, test, type SendingTeam } from "../fixtures.ts";
import type { Page } from "@playwright/test";

function rows(page: Page) {
  return page.getByRole("table", { name: "Messages" }).locator("tbody").getByRole("row");
}

async function send(team: SendingTeam, to: string, order: string, fields = {}): Promise<string> {
  const templateId = await team.api.createTemplate({ name: order, subject: "Receipt for order {{ order }}", text: "Thanks" });
  return team.api.send({ templateId, to, variables: { order }, ...fields });
}

test("one customer by a part of the name, an order by its number, what a key sent, a provider's id", async ({
  page, as, team,
}) => {
  const mark = `${Date.now()}`;
  const wanted = await send(team, `Lucía Ibáñez <l-${mark}@finch.example>`, mark);
  await send(team, `Ada Lovelace <ada-${mark}@finch.example>`, `other-${mark}`);
  const { providerMessageId } = await team.api.waitFor(wanted, "sent");
  await as("member");
  for (const [task, text] of [
    ["one customer by a part of the name", `ibanez ${mark}@`],
    ["one order by its number", `"order ${mark}"`],
    ["what a key sent", `key:end2end ibáñez ${mark}@`],
  ] as const) {
    await page.goto("/logs");
    const clicks = await search(page, text);
    await expect(rows(page), task).toHaveCount(1);
    await expect(rows(page).getByRole("link").first()).toHaveAttribute("href", `/logs/${wanted}`);
    tell(task, clicks);
  }
  await page.goto("/logs");
  const clicks = await search(page, providerMessageId!);
  await expect(page).toHaveURL(`/logs/${wanted}`);
  tell("a message by its provider's id", clicks);
});

test("why this one failed, and the sentence for the customer: 3 clicks", async ({ page, as, team, hasScript }) => {
  const mark = `why-${Date.now()}`;
  const failed = await send(team, `refused-${mark}@finch.example`, mark);
  await team.api.waitFor(failed, "bounced");
  await as("viewer");
  await page.goto("/logs");
  let clicks = await search(page, mark);
  await rows(page).getByRole("link").first().click();
  clicks += 1;
  await expect(page.getByRole("heading", { name: "The address does not exist" })).toBeVisible();
  const answer = page.getByRole("region", { name: "The address does not exist" });
  await expect(answer).toContainText("Whose problem");
  await expect(answer.locator("q")).toContainText("address");
  tell("why this one failed, and the sentence for the customer", clicks);
  if (hasScript) {
    const sentence = await answer.locator("q").innerText();
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await answer.getByRole("button", { name: "Copy the sentence" }).click();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(sentence);
    tell("and copied", clicks + 1);
  }
});

test("from the spike to its reason to the resend of exactly that: 4 clicks", async ({
  page, as, sendlog, smtp, hasScript,
}) => {
  test.slow();
  const team = await createTeam(sendlog, smtp, `spike-${hasScript}`);
  const to = (kind: string, n: number) => `${kind}-spike-${hasScript}-${n}@finch.example`;
  const templateId = await team.api.createTemplate({ name: "Receipt", subject: "Receipt", text: "Thanks" });
  const ids: string[] = [];
  for (const kind of ["blocked-once", "blocked-once", "blocked-once", "refused", "refused", "fine"]) {
    ids.push(await team.api.send({ templateId, to: to(kind, ids.length) }));
  }
  for (const id of ids.slice(0, 5)) {
    await team.api.waitFor(id, "bounced");
  }
  await as("owner", team);
  await page.goto("/logs");

  // The spike: the part of a bar that was lost.
  await page.locator(".bar a:has([data-key=lost])").last().click();
  await expect(rows(page)).toHaveCount(5);
  // Its reason, and what to do about exactly that.
  const reason = page.getByRole("region", { name: "Why" }).getByRole("row").filter({ hasText: "Our server is blocked" });
  await expect(reason).toContainText("3");
  await reason.getByRole("link", { name: /^Show / }).click();
  await expect(rows(page)).toHaveCount(3);
  await page.getByRole("region", { name: "Why" }).getByRole("link", { name: /^Resend… / }).click();
  await page.getByRole("button", { name: "Resend 3 messages anyway" }).click();
  await expect(page).toHaveURL(/\/resends\/rsd_/);
  await expect(async () => {
    await page.reload();
    await expect(page.getByText("Done", { exact: true })).toBeVisible({ timeout: 500 });
  }).toPass();
  tell("from the spike to its reason to the resend of exactly that", 4);
  for (const n of [0, 1, 2]) {
    await smtp.waitFor(to("blocked-once", n));
  }
  expect(smtp.tried.filter((address) => address.startsWith(`refused-spike-${hasScript}`))).toHaveLength(2);
});
