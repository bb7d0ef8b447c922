// The ways out: an adapter is set up field by field, tried, changed and removed.

import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "@playwright/test";
import { createTeam, expect, expectAccessible, test, type SendingTeam } from "../fixtures.ts";
import { SmtpTarget } from "../smtp-target.ts";

const logIn = { user: "ada@mail.example:x", password: "p#w/a?b@c:d%41\\e&f=g+h ü" };

let team: SendingTeam;
let guarded: SmtpTarget;

test.beforeAll(async ({ sendlog, smtp }) => {
  team = await createTeam(sendlog, smtp, "adapters");
  guarded = await SmtpTarget.start(logIn);
});

test.afterAll(() => guarded.stop());

async function fillMailServer(page: Page, { name, password }: { name: string; password: string }): Promise<void> {
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Host").fill("127.0.0.1");
  await page.getByLabel("Port").fill(String(guarded.port));
  await page.getByLabel("Security").selectOption({ label: "STARTTLS where the server offers it" });
  await page.getByLabel("User", { exact: true }).fill(logIn.user);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByLabel("Default sender").fill("Relay <relay@adapters.example>");
}

test("a password works as it is typed, the server's answer is shown, and an edit keeps it", async ({ page, as, hasScript }) => {
  const name = `Guarded ${hasScript}`;
  const to = `tested-${hasScript}@example.com`;
  await as("admin", team);
  await page.goto("/settings/adapters");
  await page.getByRole("link", { name: "Add an adapter" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Add an adapter" })).toBeVisible();
  await expect(page.getByLabel("Name", { exact: true })).toBeFocused();
  await expect(page.getByLabel("URL")).toHaveCount(0);
  await fillMailServer(page, { name, password: "wrong" });
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByText(`Adapter “${name}” added.`)).toBeVisible();

  const added = page.getByRole("region", { name: `Try “${name}”` });
  await expect(added.getByLabel("To")).toHaveValue(team.users.admin.email);
  await added.getByLabel("To").fill(to);
  await added.getByRole("button", { name: "Send the test" }).click();
  const alert = page.getByRole("alert");
  await expect(alert).toContainText("535 5.7.8 authentication failed");
  await expect(alert).toContainText("the server refused the log-in. Type user and password");

  const row = page.getByRole("row").filter({ has: page.getByRole("link", { name: `Edit ${name}`, exact: true }) });
  await expect(row).toContainText("Test failed: the server refused the log-in");
  await row.getByRole("link", { name: `Edit ${name}` }).click();
  await expect(page.getByLabel("User", { exact: true })).toHaveValue(logIn.user);
  await expect(page.getByLabel("Password", { exact: true })).toHaveValue("");
  await page.getByLabel("Password", { exact: true }).fill(logIn.password);
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect(page.getByText(`Adapter “${name}” changed.`)).toBeVisible();
  await expect(row).toContainText("before the last change");

  // An edit without the password keeps it.
  await row.getByRole("link", { name: `Edit ${name}` }).click();
  await page.getByLabel("Default sender").fill("Relay <other@adapters.example>");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect(page).toHaveURL("/settings/adapters");
  await expect(row).toContainText("other@adapters.example");
  // A narrow column breaks an address before its "@", and nowhere else.
  await page.setViewportSize({ width: 768, height: 900 });
  const lines = row.getByText("<other@adapters.example>");
  await expect(lines).toBeVisible();
  const heights = await lines.evaluate((sender) => {
    const whole = sender.getBoundingClientRect().height;
    return whole / parseFloat(getComputedStyle(sender).lineHeight);
  });
  expect(heights).toBeLessThan(2.5);
  await page.setViewportSize({ width: 1440, height: 900 });

  await row.getByRole("button", { name: `Send a test by ${name}` }).click();
  const dialog = page.getByRole("dialog", { name: `Send a test by “${name}”` });
  await dialog.getByLabel("To").fill(to);
  await dialog.getByRole("button", { name: "Send the test" }).click();
  const status = page.getByRole("status").filter({ hasText: "accepted the test message" });
  await expect(status).toContainText(/250 /);
  const [received] = await guarded.waitFor(to);
  expect(received.sender).toBe("other@adapters.example");
  await expect(row).toContainText("Test accepted");
  await expect(row).not.toContainText("failed");

  // The test is in no log.
  await page.goto(`/logs?q=${encodeURIComponent(to)}&preset=all`);
  await expect(page.getByRole("link", { name: to })).toHaveCount(0);
});

test("a mistake stands beside its field, and only the password is typed again", async ({ page, as, hasScript }) => {
  const name = `Slip ${hasScript}`;
  await as("admin", team);
  await page.goto("/settings/adapters?kind=smtp");
  await fillMailServer(page, { name, password: logIn.password });
  // With a script what the page sees itself is never sent, and the password stays.
  await page.getByLabel("Port").fill("99999");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByLabel("Port")).toHaveAccessibleDescription(/^A port is a number from 1 to 65535\./);
  await expect(page.getByLabel("Port")).toBeFocused();
  await expect(page.getByLabel("Password", { exact: true })).toHaveValue(hasScript ? logIn.password : "");
  await page.getByLabel("Port").fill(String(guarded.port));
  await page.getByLabel("Password", { exact: true }).fill(logIn.password);
  await expect(page.locator(".field-error")).toHaveCount(hasScript ? 0 : 2);
  if (hasScript) {
    await page.getByLabel("Default sender").fill("Relay");
    await page.getByLabel("Host").fill("");
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await expect(page.getByLabel("Host")).toHaveAccessibleDescription(/^Fill in this field\./);
    await expect(page.getByLabel("Host")).toBeFocused();
    await expect(page.getByLabel("Default sender")).toHaveAccessibleDescription(/^Write an email address, with or without a name/);
    await expectAccessible(page);
    await expect(page.getByLabel("Password", { exact: true })).toHaveValue(logIn.password);
    await page.getByLabel("Default sender").fill("Relay <relay@adapters.example>");
  }

  await page.getByLabel("Host").fill("mail.example.com/inbox");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByRole("alert")).toContainText("look at the field “Host”");
  await expect(page.getByLabel("Host")).toHaveAccessibleDescription(/Write only the server's name/);
  await expect(page.getByLabel("Host")).toHaveAttribute("aria-invalid", "true");
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue(name);
  await expect(page.getByLabel("User", { exact: true })).toHaveValue(logIn.user);
  await expect(page.getByLabel("Password", { exact: true })).toHaveValue("");
  await expect(page.getByLabel("Password", { exact: true })).toHaveAccessibleDescription(/Type it again/);
  if (hasScript) {
    await expectAccessible(page);
  }

  // What was said of the mistakes goes with them, and the sentence above with the last.
  await expect(page.getByLabel("Host")).toBeFocused();
  if (hasScript) {
    await page.getByLabel("Host").fill("mail.example.com");
    await expect(page.getByLabel("Host")).not.toHaveAttribute("aria-invalid");
    await expect(page.getByRole("alert")).toBeVisible();
    await page.getByLabel("Password", { exact: true }).fill(logIn.password);
    await expect(page.locator(".field-error")).toHaveCount(0);
    await expect(page.getByRole("alert")).toHaveCount(0);
  }

  // A whole address in the field of the host is taken apart.
  await page.getByLabel("Password", { exact: true }).fill("");
  await page.getByLabel("Host").fill("smtps://mailer:hush-hush@mail.example.com");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByLabel("User", { exact: true })).toHaveAccessibleDescription("Host names another user than this.");
  await page.getByLabel("User", { exact: true }).fill("");
  await page.getByLabel("Host").fill("smtps://mailer:hush-hush@mail.example.com");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByText(`Adapter “${name}” added.`)).toBeVisible();
  const row = page.getByRole("row").filter({ has: page.getByRole("link", { name: `Edit ${name}`, exact: true }) });
  await expect(row).toContainText("mail.example.com, port 465, TLS from the start");
  await expect(page.getByRole("main")).not.toContainText("hush-hush");

  // What is kept follows to no other server.
  await row.getByRole("link", { name: `Edit ${name}` }).click();
  await page.getByLabel("Host").fill("other.example.com");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect(page.getByLabel("Password", { exact: true })).toHaveAccessibleDescription(
    "The saved log-in belongs to the previous server. Type the one of this server.",
  );
  await expect(page.getByLabel("Host")).toHaveValue("other.example.com");
  await page.getByLabel("Password", { exact: true }).fill("another");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect(page.getByText(`Adapter “${name}” changed.`)).toBeVisible();
  await expect(row).toContainText("other.example.com, port 465");

  await row.getByRole("button", { name: `Make ${name} the default` }).click();
  await expect(row.getByText("default", { exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Make 127.0.0.1 the default" }).click();
  await expect(row.getByText("default", { exact: true })).toHaveCount(0);
  await row.getByRole("button", { name: `Remove ${name}` }).click();
  const question = page.getByRole("dialog", { name: `Remove the adapter “${name}”?` });
  await expect(question).toContainText("No message waits for it.");
  await question.getByRole("button", { name: "Remove", exact: true }).click();
  await expect(page.getByText(`Adapter “${name}” removed.`)).toBeVisible();
  await expect(page.getByRole("row").filter({ has: page.getByRole("link", { name: `Edit ${name}`, exact: true }) })).toHaveCount(0);
});

test("a web address has fields of its own, and a test of its own", async ({ page, as, hasScript }) => {
  const asked: IncomingHttpHeaders[] = [];
  const receiver = createServer((request, response) => {
    asked.push(request.headers);
    request.resume().on("end", () => response.writeHead(202).end('{"id": "sms-1"}'));
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  const { port } = receiver.address() as AddressInfo;
  const name = `Texts ${hasScript}`;
  await as("admin", team);
  await page.goto("/settings/adapters?kind=smtp");
  await page.getByRole("navigation", { name: "Kind" }).getByRole("link", { name: "Web address (HTTP)" }).click();
  await expect(page.getByLabel("Host")).toHaveCount(0);
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("URL").fill(`http://127.0.0.1:${port}/sms?key=1`);
  await page.getByLabel("Token").fill("tok/en#1");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  const added = page.getByRole("region", { name: `Try “${name}”` });
  await added.getByLabel("To this number or address").fill("+49 170 1234567");
  await added.getByRole("button", { name: "Send the test" }).click();
  await expect(page.getByRole("status").filter({ hasText: "accepted the test message" })).toBeVisible();
  expect(asked.map((headers) => headers.authorization)).toEqual(["Bearer tok/en#1"]);
  receiver.close();
});

test("adapters are moved up and down, and the first is the default", async ({ page, as, sendlog, smtp, hasScript }) => {
  const own = await createTeam(sendlog, smtp, `order-${hasScript}`);
  await as("admin", own);
  for (const name of ["North", "South", "West"]) {
    await page.goto("/settings/adapters?kind=http");
    await page.getByLabel("Name", { exact: true }).fill(name);
    await page.getByLabel("URL").fill(`http://127.0.0.1:9/${name}`);
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await expect(page.getByText(`Adapter “${name}” added.`)).toBeVisible();
  }
  const rows = page.getByRole("row").filter({ hasText: "127.0.0.1:9" });
  const names = () => rows.locator("strong").allTextContents();
  expect(await names()).toEqual(["North", "South", "West"]);
  await expect(rows.first()).toContainText("1 of 3");
  await expect(page.getByRole("button", { name: "Move North up" })).toHaveCount(0);
  await expect(page.getByRole("button", { name: "Move West down" })).toHaveCount(0);

  await page.getByRole("button", { name: "Move South up" }).click();
  await expect(page.getByText("Adapter “South” is now the first, and the default.")).toBeVisible();
  expect(await names()).toEqual(["South", "North", "West"]);
  await expect(rows.first().getByText("default", { exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Move North down" }).click();
  await expect(page.getByText("Adapter “North” is now number 3.")).toBeVisible();
  await page.getByRole("button", { name: "Make North the default" }).click();
  await expect(page.getByText("Adapter “North” is now the default.")).toBeVisible();
  expect(await names()).toEqual(["North", "South", "West"]);
  if (hasScript) {
    await expectAccessible(page);
  }
  await page.getByRole("button", { name: "Remove North" }).click();
  const question = page.getByRole("dialog", { name: "Remove the adapter “North”?" });
  await expect(question).toContainText("then go by “South”.");
  await question.getByRole("button", { name: "Remove", exact: true }).click();
  await expect(rows.first()).toContainText("South");
  await expect(rows.first().getByText("default", { exact: true })).toBeVisible();
});

test("a template is looked at with sample values and sent to oneself before it is saved", async ({ page, as, smtp }) => {
  const { email } = team.users.admin;
  const before = smtp.to(email).length;
  await as("admin", team);
  await page.goto("/templates/new");
  await page.getByLabel("Subject").fill("Hello {{ name }}");
  await page.getByLabel("HTML body").fill("<p style='color: green'>Dear <b>{{ name }}</b></p>");
  await page.getByLabel("Text body").fill("Dear {{ name }}");
  await page.getByLabel("Sample values").fill('{"name": "Ada & Bea"}');
  const frame = page.frameLocator("iframe[name=template-preview]");
  await page.getByRole("button", { name: "Preview" }).click();
  await expect(frame.getByText("Hello Ada & Bea")).toBeVisible();
  await expect(frame.locator("b")).toHaveText("Ada & Bea");
  await expect(page.getByLabel("Subject")).toHaveValue("Hello {{ name }}");
  await page.getByRole("checkbox", { name: "name" }).check();

  await page.getByLabel("Text body").fill("Dear\n{{ nobody }}");
  await page.getByRole("button", { name: "Preview" }).click();
  await expect(frame.getByRole("alert")).toContainText("Text body, line 2: the variable “nobody” has no value");
  await expect(page.getByRole("checkbox", { name: "name" })).toBeChecked();
  await page.getByLabel("HTML body").fill("<p>\n{{ oops");
  await page.getByRole("button", { name: "Preview" }).click();
  await expect(frame.getByRole("alert")).toContainText(/HTML body, line 2: .*is not closed with/);
  await expect(page.getByLabel("HTML body")).toHaveAccessibleDescription(/HTML body, line 2: .*is not closed with/);
  await expect(page.getByLabel("HTML body")).toBeFocused();
  await page.getByRole("button", { name: "Send me a test" }).click();
  await expect(page.getByLabel("HTML body")).toHaveAccessibleDescription(/HTML body, line 2: .*is not closed with/);
  await page.getByLabel("HTML body").fill("<p style='color: green'>Dear <b>{{ name }}</b></p>");
  await page.getByLabel("Sample values").fill("{\nname}");
  await page.getByRole("button", { name: "Send me a test" }).click();
  await expect(page.getByRole("alert").first()).toContainText("look at the field “Sample values”");
  await expect(page.getByLabel("Sample values")).toHaveAccessibleDescription(/Sample values, line 2, column 1: a name in quotation marks is missing/);
  await page.getByLabel("Sample values").fill("{name}");
  await page.getByRole("button", { name: "Send me a test" }).click();
  await expect(page.getByLabel("Sample values")).toHaveValue("{name}");

  await page.getByLabel("Sample values").fill('{"name": "Ada", "nobody": "Bea"}');
  await page.getByRole("button", { name: "Send me a test" }).click();
  await expect(page.getByRole("status").filter({ hasText: `accepted the test message for ${email}` })).toBeVisible();
  await expect(page.getByLabel("Subject")).toHaveValue("Hello {{ name }}");
  await expect(page.getByLabel("Sample values")).toHaveValue(/"Bea"/);
  // The preview comes by itself, and the variables in use can be masked.
  await expect(frame.getByText("Hello Ada")).toBeVisible();
  await expect(page.getByRole("checkbox", { name: "nobody" })).toBeVisible();
  const received = await smtp.waitFor(email, before + 1);
  expect(received.at(-1)!.message.subject).toBe("Hello Ada");
  expect(received.at(-1)!.message.text).toContain("Bea");
});

test("what a preview finds takes the place of what was said before", async ({ page, as }) => {
  await as("admin", team);
  await page.goto("/templates/new");
  await page.getByLabel("Subject").fill("Hello {{ name }}");
  await page.getByLabel("Text body").fill("Dear {{ name }}");
  await page.getByLabel("Sample values").fill('{"other": "Bea"}');
  const frame = page.frameLocator("iframe[name=template-preview]");
  const refused = page.getByText("Nothing was saved or sent yet");
  const accepted = page.getByText("accepted the test message");
  await page.getByRole("button", { name: "Send me a test" }).click();
  await expect(refused).toBeVisible();
  await page.getByLabel("Sample values").fill('{"name": "Ada"}');
  await page.getByRole("button", { name: "Preview" }).click();
  await expect(frame.getByText("Dear Ada")).toBeVisible();
  await expect(refused).toHaveCount(0);

  await page.getByRole("button", { name: "Send me a test" }).click();
  await expect(accepted).toBeVisible();
  await page.getByLabel("Text body").fill("Dear {{ nobody }}");
  await page.getByRole("button", { name: "Preview" }).click();
  await expect(frame.getByRole("alert")).toContainText("the variable “nobody” has no value");
  await expect(accepted).toHaveCount(0);
  await expect(refused).toBeVisible();
});

test("the first steps tick themselves off, and the next one stands out", async ({ page, as, sendlog, smtp, hasScript }) => {
  const young = await createTeam(sendlog, smtp, `young-${hasScript}`);
  await as("admin", young);
  await page.goto("/logs");
  const steps = page.getByRole("list", { name: "First steps" });
  await expect(steps).toContainText("Adapter: 127.0.0.1");
  await expect(steps).toContainText("API key: end2end");
  await expect(steps.locator(".primary")).toHaveText("Send a message");
  const templateId = await young.api.createTemplate({ name: "Note", subject: "A note", text: "." });
  await page.goto("/logs");
  await expect(page.getByLabel("Command that sends a message")).toContainText(templateId);
  await expect(page.getByLabel("Command that sends a message")).toContainText(young.users.admin.email);
  const id = await young.api.send({ templateId, to: "ada@example.com" });
  await page.goto("/connect");
  await expect(steps.getByRole("link", { name: id })).toBeVisible();
  await expect(steps.locator(".primary")).toHaveText("Have deliveries reported");
});

test("the sample values of a template are there again next time, for whoever typed them", async ({ page, as, open, hasScript }) => {
  const name = `Greeting ${hasScript}`;
  const id = await team.api.createTemplate({ name, subject: "Hi {{ name }}", text: "Hi {{ name }}" });
  await as("admin", team);
  await page.goto(`/templates/${id}`);
  const sample = page.getByLabel("Sample values");
  await expect(sample).toHaveValue(/"name": "name"/);
  await sample.fill('{"name": "Grace"}');
  await page.getByRole("button", { name: "Preview" }).click();
  await expect(page.frameLocator("iframe[name=template-preview]").getByText("Hi Grace").first()).toBeVisible();
  await page.goto(`/templates/${id}`);
  await expect(sample).toHaveValue('{"name": "Grace"}');

  const other = await open("member", team);
  await other.goto(`/templates/${id}`);
  await expect(other.getByLabel("Sample values")).toHaveValue(/"name": "name"/);
});
