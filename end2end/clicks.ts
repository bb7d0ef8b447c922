// What a person does to get an answer: the tests count it and print it.

import type { Locator, Page } from "@playwright/test";

/** A person whose every click and every field is counted. */
export class Person {
  /** What they did so far. */
  steps = 0;

  async click(target: Locator): Promise<void> {
    this.steps += 1;
    await target.click();
  }

  async fill(target: Locator, text: string): Promise<void> {
    this.steps += 1;
    await target.fill(text);
  }
}

/** Searches the messages; how much that takes: a click into the field, and Enter. */
export async function search(page: Page, text: string): Promise<number> {
  const field = page.getByLabel("Search messages");
  await field.click();
  await field.fill(text);
  await field.press("Enter");
  return 2;
}

/** Prints how many clicks and keys a task takes. */
export function tell(task: string, clicks: number): void {
  console.log(`${task}: ${clicks} clicks`);
}
