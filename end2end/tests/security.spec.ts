// What a browser is told beside the page: policies, cookies, transport. Behind https, as the internet sees it.

import { createTeam, expect, test } from "../fixtures.ts";
import { judge, type Site } from "../observatory.ts";
import { Sendlog } from "../sendlog.ts";

const publicUrl = "https://mail.example.com";

let server: Sendlog;
let site: Site;
let email: string;

// No page is opened, so there is nothing to do again without scripts.
test.skip(({ hasScript }) => !hasScript);

test.beforeAll(async ({ smtp }) => {
  server = await Sendlog.serve({ args: ["--base-url", publicUrl] });
  const team = await createTeam(server, smtp, "acme");
  const templateId = await team.api.createTemplate({ name: "Hello", subject: "Hello", html: "<p>Hello</p>" });
  email = await team.api.send({ templateId, to: "ada@example.com" });
  const { email: address, password } = team.users.owner;
  const response = await fetch(`${server.url}/api/auth/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Origin: publicUrl },
    body: JSON.stringify({ email: address, password }),
  });
  expect(response.status).toBe(200);
  site = { publicUrl, url: server.url, cookies: response.headers.getSetCookie() };
});

test.afterAll(async () => {
  await server?.stop();
});

test("Mozilla's Observatory gives every page an A+", async () => {
  const pages = [
    "/login",
    "/logs",
    `/logs/${email}`,
    `/logs/${email}/body`,
    "/requests",
    "/connect",
    "/templates",
    "/templates/new",
    "/settings/profile",
    "/settings/members",
    "/settings/roles",
    "/settings/adapters",
    "/settings/provider-webhooks",
    "/settings/webhooks",
    "/settings/suppressions",
    "/settings/api-keys",
    "/settings/audit",
    "/api-docs",
    "/nowhere",
    "/api/logs",
    "/api/openapi.json",
    "/favicon.svg",
  ];
  for (const page of pages) {
    const verdict = await judge(site, page);
    expect(verdict, page).toMatchObject({ grade: "A+", failed: [] });
  }
});

test("the log-in is kept in a cookie that no other host can set", async () => {
  expect(site.cookies).toHaveLength(1);
  expect(site.cookies[0]).toMatch(/^__Host-session=[^;]+;/);
  for (const part of ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"]) {
    expect(site.cookies[0]).toContain(part);
  }
});
