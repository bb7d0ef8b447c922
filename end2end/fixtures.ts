// What the tests import instead of Playwright's own `test`: a running Sendlog with a team in it, a mail
// server it sends to, and pages that fail the test on any error in the browser's console.

import { randomBytes } from "node:crypto";
import { AxeBuilder } from "@axe-core/playwright";
import { test as base, expect as baseExpect, type BrowserContext, type Page } from "@playwright/test";
import { Api } from "./api.ts";
import { Sendlog } from "./sendlog.ts";
import { SmtpTarget } from "./smtp-target.ts";

/**
 * Playwright's own, but that a page which has reached an address has also come whole: what a test reads of it next is not
 * the part that the browser has read so far.
 */
export const expect = baseExpect.extend({
  async toHaveURL(page: Page, expected: string | RegExp | ((url: URL) => boolean), options?: { timeout?: number }) {
    const { isNot } = this;
    try {
      if (isNot) {
        await baseExpect(page).not.toHaveURL(expected, options);
      } else {
        await baseExpect(page).toHaveURL(expected, options);
        await page.waitForLoadState("domcontentloaded");
      }
      return { pass: !isNot, message: () => "" };
    } catch (error) {
      return { pass: isNot, message: () => String(error) };
    }
  },
});

export const roles = ["owner", "admin", "member", "viewer"] as const;
export type Role = (typeof roles)[number];

export interface User {
  email: string;
  password: string;
  role: Role;
}

export interface Team {
  /** The address of the server that it is on. */
  url: string;
  slug: string;
  /** One user of each role. */
  users: Record<Role, User>;
  /** Their session cookies so far; one log-in a user, because log-ins are limited. */
  sessions: Map<Role, string>;
}

/** A team of [createTeam], which can also send. */
export interface SendingTeam extends Team {
  /** A key of every scope. */
  key: string;
  /** The JSON API with that key. */
  api: Api;
}

interface WorkerFixtures {
  /** The mail server of this worker. */
  smtp: SmtpTarget;
  /** The Sendlog of this worker, on an empty database. */
  sendlog: Sendlog;
  /** A team in it with a user of each role, an API key, and an adapter that sends to `smtp`. */
  team: SendingTeam;
  /** The team of `sendlog demo`, on a server of its own. Tests only look at it. */
  demo: Team;
}

interface TestFixtures {
  /** Gives the test's page the session of a role; in `team`, unless told otherwise. */
  as: (role: Role, inTeam?: Team) => Promise<void>;
  /** A page of somebody else's browser, with the session of a role or, without one, with none. */
  open: (role?: Role, inTeam?: Team) => Promise<Page>;
  /** Lets the test go on with a console error it expects, such as the 403 of a page it may not see. */
  allowError: (pattern: RegExp) => void;
  /** Whether scripts run in this project's pages. */
  hasScript: boolean;
  /** The contexts whose consoles are watched. */
  watched: { errors: string[]; allowed: RegExp[] };
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

  demo: [
    async ({}, use) => {
      const sendlog = await Sendlog.demo({ args: ["--json", "--messages", "2000", "--only", "web"] });
      await use(await demoTeam(sendlog));
      await sendlog.stop();
    },
    { scope: "worker" },
  ],

  baseURL: async ({ sendlog }, use) => use(sendlog.url),

  hasScript: async ({ javaScriptEnabled }, use) => use(javaScriptEnabled !== false),

  as: async ({ context, team }, use) => {
    await use((role, inTeam = team) => giveSession(context, inTeam, role));
  },

  open: async ({ browser, baseURL, team, watched }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async (role, inTeam = team) => {
      const context = await browser.newContext({ baseURL });
      contexts.push(context);
      collectErrors(context, watched.errors);
      if (role !== undefined) {
        await giveSession(context, inTeam, role);
      }
      return context.newPage();
    });
    await Promise.all(contexts.map((context) => context.close()));
  },

  watched: async ({}, use) => use({ errors: [], allowed: [] }),

  allowError: async ({ watched }, use) => use((pattern) => void watched.allowed.push(pattern)),

  failOnConsoleErrors: [
    async ({ context, watched }, use) => {
      collectErrors(context, watched.errors);
      await use();
      const { errors, allowed } = watched;
      const unexpected = errors.filter((error) => !allowed.some((one) => one.test(error)));
      expect(unexpected, "errors in the browser's console").toEqual([]);
    },
    { auto: true },
  ],
});

/** For tests of the demo alone: the page's addresses are the demo's, and no other server is started. */
export const demoTest = test.extend<object, object>({
  baseURL: async ({ demo }, use) => use(demo.url),
  as: async ({ context, demo }, use) => {
    await use((role, inTeam = demo) => giveSession(context, inTeam, role));
  },
});

/** What Chromium says when Playwright's own scripts meet the sandboxed frame of a message or of a template's preview. */
const notOurs = /^Blocked script execution in '(\S+\/logs\/eml_\w+\/body\?|\S+\/templates\/preview'|about:blank')/;

/**
 * What Chromium says of the fade from page to page: a test makes the window smaller during it, or the machine is so busy
 * that the next page shows before the browser has read that it is to fade. The page is whole either way.
 */
const fadeGivenUp = /Viewport size changed|Transition was aborted because of invalid state\. Page already revealed/;

/** Adds the errors that the pages of a context print or throw to `errors`, as they come. */
function collectErrors(context: BrowserContext, errors: string[]): void {
  context.on("console", (message) => {
    if (message.type() === "error" && !notOurs.test(message.text())) {
      errors.push(`${message.text()} (${message.location().url})`);
    }
  });
  context.on("weberror", (error) => {
    if (!fadeGivenUp.test(String(error.error()))) {
      errors.push(String(error.error()));
    }
  });
}

/** Expects axe-core to find nothing on the page as it stands. A message's own HTML is not ours to judge. */
export async function expectAccessible(page: Page, { rules }: { rules?: string[] } = {}): Promise<void> {
  // Rows of a table are alike: the first ones speak for all, and axe-core is slow.
  const axe = new AxeBuilder({ page }).exclude("iframe").exclude("tbody tr:nth-child(n + 16)").setLegacyMode();
  const { violations } = await (rules ? axe.withRules(rules) : axe).analyze();
  const found = violations.map(({ id, help, nodes }) => ({
    id,
    help,
    where: nodes.map((node) => node.target.join(" ")),
  }));
  expect(found, `accessibility violations on ${page.url()}`).toEqual([]);
}

/** Makes a team by the command line: a user of each role, an API key, an SMTP adapter. */
export async function createTeam(
  sendlog: Sendlog,
  smtp: SmtpTarget,
  slug: string,
): Promise<SendingTeam> {
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
  const made = await sendlog.admin([
    "create-key", "--team", slug, "--name", "end2end", "--scope", "*", "--json",
  ]);
  const { key } = JSON.parse(made) as { key: string };
  return { url: sendlog.url, slug, users, sessions: new Map(), key, api: new Api(sendlog.url, key) };
}

async function demoTeam(sendlog: Sendlog): Promise<Team> {
  const [json] = await sendlog.waitForOutput(/^\{.*"users".*\}$/m);
  const { team, users } = JSON.parse(json) as { team: { slug: string }; users: User[] };
  const byRole = Object.fromEntries(users.map((user) => [user.role, user])) as Record<Role, User>;
  return { url: sendlog.url, slug: team.slug, users: byRole, sessions: new Map() };
}

/** The session cookie of a user of a team. */
export async function sessionOf(team: Team, role: Role): Promise<string> {
  const session = team.sessions.get(role) ?? (await logIn(team.url, team.users[role]));
  team.sessions.set(role, session);
  return session;
}

async function giveSession(context: BrowserContext, team: Team, role: Role): Promise<void> {
  const value = await sessionOf(team, role);
  await context.addCookies([{ name: "session", value, url: team.url }]);
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
