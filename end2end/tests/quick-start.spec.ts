// From the link that a new server prints to a message that was delivered and opened: what somebody does who has a SendGrid
// account and nothing else. They type their name, an address, a password, the team's name, SendGrid's key and a sender, and
// name a key of Sendlog's: 7 fields. They follow 7 links and press 5 buttons. 19 steps of three seconds are less than a minute.

import { Person } from "../clicks.ts";
import { expect as patientExpect, expectAccessible, test } from "../fixtures.ts";
import { SendGridApi } from "../sendgrid.ts";
import { Sendlog } from "../sendlog.ts";

/** A message's page asks every few seconds what became of it. */
const expect = patientExpect.configure({ timeout: 30_000 });

const steps = 7 + 7 + 5;

test("a new user connects SendGrid from the pages, sends, and sees delivered and opened come", async ({ page, hasScript }) => {
  test.slow();
  const sendGrid = await SendGridApi.start("SG.finch");
  const sendlog = await Sendlog.serve();
  const person = new Person();
  try {
    const [link] = await sendlog.waitForOutput(/http\S+\/setup\?token=\S+/);
    await page.goto(link);
    await person.fill(page.getByLabel("Your name"), "Ada Lovelace");
    await person.fill(page.getByLabel("Email address"), "ada@engine.example");
    await person.fill(page.getByLabel("Password"), "a long password");
    await person.fill(page.getByLabel("Team"), "Engine Works");
    await person.click(page.getByRole("button", { name: "Create account and team" }));

    const firstSteps = page.getByRole("list", { name: "First steps" });
    await person.click(firstSteps.getByRole("link", { name: "Add an adapter" }));
    await person.click(page.getByRole("link", { name: "Add an adapter" }));
    await person.click(page.getByRole("navigation", { name: "Kind" }).getByRole("link", { name: "SendGrid" }));
    await expect(page.getByLabel("API address")).toHaveValue("https://api.sendgrid.com");
    // The stand-in's place, no step of theirs.
    await page.getByLabel("API address").fill(sendGrid.url);
    await person.fill(page.getByLabel("API key"), "SG.finch");
    await person.fill(page.getByLabel("Default sender"), "Engine Works <orders@engine.example>");
    await person.click(page.getByRole("button", { name: "Add", exact: true }));

    await person.click(page.getByRole("link", { name: "Provider webhooks" }));
    // SendGrid is chosen already.
    await person.click(page.getByRole("button", { name: "Add", exact: true }));
    await person.click(page.getByRole("button", { name: "Connect with “SendGrid”" }));
    await expect(page.getByText("SendGrid posts here from now on.")).toBeVisible();
    expect(sendGrid.hooks.map(({ url, enabled, isSigned }) => ({ url, enabled, isSigned }))).toEqual([
      { url: expect.stringContaining(`${sendlog.url}/hooks/sendgrid/`), enabled: true, isSigned: true },
    ]);

    await person.click(page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Connect" }));
    await person.fill(page.getByLabel("Name", { exact: true }), "shop");
    await person.click(page.getByRole("button", { name: "Create a key" }));
    const key = (await page.getByRole("status").filter({ hasText: "Copy it now" }).locator("code").innerText()).trim();

    // Their program: one of the page's snippets.
    const to = "reader@example.com";
    const response = await fetch(`${sendlog.url}/resend/emails`, {
      method: "POST",
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
      body: JSON.stringify({ from: "orders@engine.example", to, subject: "Your order", html: "<p>It is on its way.</p>" }),
    });
    expect(response.status, await response.clone().text()).toBe(200);

    await person.click(page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Logs" }));
    await person.click(page.getByRole("row").filter({ hasText: to }).getByRole("link").first());
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Your order");
    expect(person.steps).toBe(steps);

    // From here on they do nothing. What they clicked has come whole.
    await page.waitForLoadState();
    let loads = 0;
    page.on("load", () => (loads += 1));
    const status = page.locator("#message-status");
    const timeline = page.getByRole("region", { name: "What happened" });
    const comes = async (word: string) => {
      if (hasScript) {
        await expect(status).toContainText(word);
        return;
      }
      // Nothing comes by itself without scripts: they reload.
      await expect(async () => {
        await page.reload();
        await patientExpect(status).toContainText(word, { timeout: 1_000 });
      }).toPass();
    };
    await comes("Sent");
    const mail = sendGrid.mailTo(to);
    // Nobody asked SendGrid for this one, and so it does not post it.
    expect(await sendGrid.tell(mail, { event: "processed" })).toEqual([]);
    expect(await sendGrid.tell(mail, { event: "delivered", response: "250 2.0.0 kept by the reader's server" })).toEqual([200]);
    await comes("Delivered");
    await expect(timeline).toContainText("kept by the reader's server");
    expect(await sendGrid.tell(mail, { event: "open", useragent: "Mozilla/5.0 (Macintosh)", ip: "192.0.2.7" })).toEqual([200]);
    await comes("Opened");
    await expect(timeline).toContainText("Opened");
    if (hasScript) {
      expect(loads).toBe(0);
      await expectAccessible(page);
    }
  } finally {
    await page.goto("about:blank");
    await sendlog.stop();
    await sendGrid.stop();
  }
});
