// Under a path, behind a real proxy, on a telephone and on a desk: what people do every day, and nothing asks for an address
// outside of the path. The console is watched as in every test.

import { type Page } from "@playwright/test";
import { createTeam, expect, type SendingTeam, test } from "../fixtures.ts";
import { mount, ReverseProxy } from "../reverse-proxy.ts";
import { freePort, Sendlog } from "../sendlog.ts";

for (const takesPathAway of [false, true]) {
  test.describe(takesPathAway ? "a proxy that takes the path away" : "a proxy that passes the path on", () => {
    let proxy: ReverseProxy;
    let server: Sendlog;
    let team: SendingTeam;
    let template: string;

    test.beforeAll(async ({ smtp }) => {
      const port = await freePort();
      server = await Sendlog.serve({
        args: ["--base-url", `http://127.0.0.1:${port}${mount}`, "--trusted-proxies", "127.0.0.1"],
      });
      proxy = await ReverseProxy.start(port, new URL(server.url).host, takesPathAway);
      team = await createTeam(server, smtp, "mounted");
      template = await team.api.createTemplate({ name: "Mounted", subject: "Mounted", text: "Hello" });
    });

    test.afterAll(async () => {
      await proxy?.stop();
      await server?.stop();
    });

    for (const [width, height] of [
      [390, 844],
      [1440, 900],
    ]) {
      test(`one logs in, finds, reads, resends and is told, ${width} px wide`, async ({ page, hasScript }) => {
        test.slow();
        await page.setViewportSize({ width, height });
        const outside = watch(page);
        const order = `mounted-${width}-${Date.now()}`;
        const refused = await team.api.send({ to: `refused-${order}@example.com`, templateId: template, metadata: { order } });
        await team.api.waitFor(refused, "bounced");
        await team.api.send({ to: `other-${order}@example.com`, templateId: template });

        await page.goto(`${proxy.url}/logs?q=meta.order:${order}`);
        await expect(page).toHaveURL(`${proxy.url}/login?next=${encodeURIComponent(`/logs?q=meta.order:${order}`)}`);
        const { email, password } = team.users.admin;
        await page.getByRole("textbox", { name: /email/i }).fill(email);
        await page.getByLabel(/password/i).fill(password);
        await page.getByRole("button", { name: "Log in" }).click();
        await expect(page).toHaveURL(`${proxy.url}/logs?q=meta.order:${order}`);
        const session = (await page.context().cookies()).find((cookie) => cookie.name === "session");
        expect(session?.path).toBe(mount);

        const rows = page.getByRole("table", { name: "Messages" }).locator("tbody tr");
        await expect(rows).toHaveCount(1);
        await page.goto(`${proxy.url}/logs`);
        // Its role is another one once it suggests.
        const search = page.locator("input[name=q]").first();
        await search.fill(`refused-${order}@example.com`);
        await search.press("Enter");
        await expect(page).toHaveURL(new RegExp(`${mount}/logs\\?.*q=`));
        await expect(rows).toHaveCount(1);

        await rows.getByRole("link", { name: `refused-${order}@example.com`, exact: true }).click();
        await expect(page).toHaveURL(new RegExp(`${mount}/logs/${refused}`));
        await page.getByRole("button", { name: "Resend" }).first().click();
        await page.getByRole("dialog").getByRole("button", { name: "Resend" }).click();
        await expect(page.getByText("Resent. This is the new message.")).toBeVisible();
        await expect(page).toHaveURL(new RegExp(`${mount}/logs/eml_`));

        for (const place of ["/help/contents", "/settings/profile", "/connect", "/templates", "/requests"]) {
          await page.goto(`${proxy.url}${place}`);
          await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
        }

        if (hasScript) {
          const later = `later-${order}`;
          await page.goto(`${proxy.url}/logs?q=meta.order:${later}`);
          await expect(page.getByText("No messages with these filters")).toBeVisible();
          await team.api.send({ to: `${later}@example.com`, templateId: template, metadata: { order: later } });
          await expect(page.getByRole("row").filter({ hasText: later })).toBeVisible();
        }
        expect(outside).toEqual([]);
      });
    }
  });
}

/** What the page asks this host for outside of the path. */
function watch(page: Page): string[] {
  const outside: string[] = [];
  page.on("request", (request) => {
    const { hostname, pathname } = new URL(request.url());
    if (hostname === "127.0.0.1" && !pathname.startsWith(`${mount}/`)) {
      outside.push(request.url());
    }
  });
  return outside;
}
