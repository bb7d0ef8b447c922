// What the tests import instead of Playwright's own `test`: a running Sendlog with a team in it, a mail
// server it sends to, and pages that fail the test on any error in the browser's console.

import { randomBytes } from "node:crypto";
import { AxeBuilder } from "@axe-core/playwright";
import { test as base, expect, type BrowserContext, type Page } from "@playwright/test";
import { Sendlog } from "./sendlog.ts";
import { SmtpTarget } from "./smtp-target.ts";

export { expect };

export const roles = ["owner", "admin", "member", "viewer"] as const;
export type Role = (typeof roles)[number];

export interface User {
  email: string;
  password: string;
  role: Role;
}

export interface Team {
  slug: string;
  /** One user of each role. */
  users: Record<Role, User>;
  /** An API key with every scope. */
  apiKey: string;
}

interface WorkerFixtures {
  /** The mail server of this worker. */
  smtp: SmtpTarget;
  /** The Sendlog of this worker, on an empty database. */
  sendlog: Sendlog;
  /** A team in it with a user of each role, an API key, and an adapter that sends to `smtp`. */
  team: Team;
  /** The session cookie of each role; one log-in a worker, because log-ins are limited. */
  sessions: Map<Role, string>;
}

interface TestFixtures {
  /** Gives the test's page the session of a role. */
  as: (role: Role) => Promise<void>;
  /** Lets the test go on with a console error it expects, such as the 403 of a page it may not see. */
  allowError: (pattern: RegExp) => void;
  /** Whether scripts run in this project's pages. */
  hasScript: boolean;
  /** The errors allowed so far; and the fixture that fails on all others. */
  allowedErrors: RegExp[];
  failOnConsoleErrors: void;
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  smtp: [
    async ({}, use) => {
      const smtp = await SmtpTarget.start();
      await use(smtp);
      await smtp.stop();
    },
    { scope: "worker" },
  ],

  sendlog: [
    async ({}, use) => {
      const sendlog = await Sendlog.serve();
      await use(sendlog);
      await sendlog.stop();
    },
    { scope: "worker" },
  ],

  team: [
    async ({ sendlog, smtp }, use) => {
      await use(await createTeam(sendlog, smtp, "acme"));
    },
    { scope: "worker" },
  ],

  sessions: [async ({}, use) => use(new Map()), { scope: "worker" }],

  baseURL: async ({ sendlog }, use) => use(sendlog.url),

  hasScript: async ({ javaScriptEnabled }, use) => use(javaScriptEnabled !== false),

  as: async ({ context, sendlog, team, sessions }, use) => {
    await use(async (role) => {
      const session = sessions.get(role) ?? (await logIn(sendlog.url, team.users[role]));
      sessions.set(role, session);
      await context.addCookies([{ name: "session", value: session, url: sendlog.url }]);
    });
  },

  allowedErrors: async ({}, use) => use([]),

  allowError: async ({ allowedErrors }, use) => use((pattern) => void allowedErrors.push(pattern)),

  failOnConsoleErrors: [
    async ({ context, allowedErrors }, use) => {
      const errors = collectErrors(context);
      await use();
      const unexpected = errors.filter((error) => !allowedErrors.some((one) => one.test(error)));
      expect(unexpected, "errors in the browser's console").toEqual([]);
    },
    { auto: true },
  ],
});

/** Errors that the pages of a context print or throw, as they come. */
export function collectErrors(context: BrowserContext): string[] {
  const errors: string[] = [];
  context.on("console", (message) => {
    if (message.type() === "error") {
      errors.push(`${message.text()} (${message.location().url})`);
    }
  });
  context.on("weberror", (error) => errors.push(String(error.error())));
  return errors;
}

/** Expects axe-core to find nothing on the page as it stands. */
export async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(({ id, help, nodes }) => ({
    id,
    help,
    where: nodes.map((node) => node.target.join(" ")),
  }));
  expect(found, "accessibility violations").toEqual([]);
}

/** Makes a team by the command line: a user of each role, an API key, an SMTP adapter. */
export async function createTeam(
  sendlog: Sendlog,
  smtp: SmtpTarget,
  slug: string,
): Promise<Team> {
  const users = {} as Record<Role, User>;
  for (const role of roles) {
    const user = {
      email: `${role}@${slug}.example`,
      password: randomBytes(12).toString("hex"),
      role,
    };
    await sendlog.admin(
      ["create-user", "--email", user.email, "--name", `The ${role}`, "--team", slug, "--role", role],
      { SENDLOG_PASSWORD: user.password },
    );
    users[role] = user;
  }
  await sendlog.admin([
    "create-adapter", "--team", slug, "--type", "smtp", "--url", smtp.url,
    "--from", `Acme <hello@${slug}.example>`, "--default",
  ]);
  const key = await sendlog.admin([
    "create-key", "--team", slug, "--name", "end2end", "--scope", "*", "--json",
  ]);
  return { slug, users, apiKey: (JSON.parse(key) as { key: string }).key };
}

/** Logs in by the JSON API and returns the session cookie's value. */
export async function logIn(url: string, user: Pick<User, "email" | "password">): Promise<string> {
  const response = await fetch(`${url}/api/auth/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Origin: url },
    body: JSON.stringify({ email: user.email, password: user.password }),
  });
  const cookie = response.headers
    .getSetCookie()
    .map((header) => header.match(/^session=([^;]+)/)?.[1])
    .find((value) => value !== undefined);
  if (!response.ok || cookie === undefined) {
    throw new Error(`log-in of ${user.email}: ${response.status} ${await response.text()}`);
  }
  return cookie;
}
