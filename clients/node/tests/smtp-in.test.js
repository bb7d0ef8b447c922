// SMTP, driven by npm `nodemailer`: unencrypted, by STARTTLS and with TLS from the first byte. Odd mail goes through Sendlog to
// the team's mail server and arrives byte for byte, behind what Sendlog puts in front.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import nodemailer from "nodemailer";
import { Authority, newKey } from "../support/authority.js";
import { freePorts, Sendlog } from "../support/sendlog.js";
import { HttpTarget, SmtpTarget } from "../support/targets.js";
import { Team } from "../support/team.js";

const mails = new URL("../../fixtures/mail/", import.meta.url);
const sender = "ada@finch.example";
const front =
  /^X-Sendlog-Id: (eml_\w+)\r\nReceived: from [^\r\n]+\r\n\tby localhost with (ESMTPS?A)\r\n\tid \1;\r\n\t[^\r\n]+\r\n(?:Date: [^\r\n]+\r\nMessage-ID: <\1@finch\.example>\r\n)?/;

describe("SMTP", () => {
  const authority = new Authority();
  let folder, sendlog, smtp, http, team, ports;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "sendlog-certificate-"));
    const key = newKey();
    await writeFile(join(folder, "certificate.pem"), authority.issue(key, ["localhost"]));
    await writeFile(join(folder, "key.pem"), key);
    [smtp, http] = [await SmtpTarget.start(), await HttpTarget.start()];
    const [plain, encrypted] = await freePorts(2);
    ports = { plain, starttls: plain, tls: encrypted };
    sendlog = await Sendlog.serve(
      ...["--smtp-addr", `127.0.0.1:${plain}`, "--smtps-addr", `127.0.0.1:${encrypted}`],
      ...["--smtp-tls-cert", join(folder, "certificate.pem"), "--smtp-tls-key", join(folder, "key.pem")],
    );
    team = await Team.create(sendlog, smtp, http);
  });

  after(async () => {
    await sendlog?.stop();
    await smtp?.stop();
    await http?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const transport = (mode, options = {}) =>
    nodemailer.createTransport({
      host: "localhost",
      port: ports[mode],
      secure: mode === "tls",
      requireTLS: mode === "starttls",
      ignoreTLS: mode === "plain",
      auth: { user: "sendlog", pass: team.key.key },
      tls: { ca: authority.pem },
      ...options,
    });

  for (const mode of ["plain", "starttls", "tls"]) {
    test(`mail arrives as it was sent, ${mode}`, async () => {
      const names = await readdir(mails);
      assert.ok(names.length >= 12);
      for (const name of names) {
        const raw = await readFile(new URL(name, mails));
        const blind = `eve-${randomUUID()}@example.com`;
        const sent = await transport(mode).sendMail({ envelope: { from: sender, to: ["bob@example.com", blind] }, raw });
        assert.match(sent.response, /^250 2\.0\.0 Accepted as eml_/);
        const came = await smtp.waitForRaw(blind);
        const found = came.toString("latin1").match(front);
        assert.ok(found, `${name}: ${came.subarray(0, 600)}`);
        const end = raw.subarray(-2).equals(Buffer.from("\r\n")) ? "" : "\r\n";
        const rest = came.subarray(found[0].length);
        assert.ok(rest.equals(Buffer.concat([raw, Buffer.from(end)])), `${name}: ${rest}`);
        assert.equal(found[2], mode === "plain" ? "ESMTPA" : "ESMTPSA");
      }
    });
  }

  test("what a program writes is read", async () => {
    const to = `bob-${randomUUID()}@example.com`;
    await transport("tls").sendMail({
      from: "Finch Läden <shop@finch.example>",
      to: `Bob <${to}>`,
      bcc: "eve@example.com",
      subject: "Ihre Bestellung € 12",
      text: "Grüße",
      html: "<p>Grüße</p>",
      headers: { "X-Sendlog-Tag": "receipts", "X-Sendlog-Metadata-Order": "1001" },
      attachments: [{ filename: "Übersicht €.txt", content: "x" }],
    });
    const [mail] = await smtp.waitFor(to);
    assert.equal(mail.subject, "Ihre Bestellung € 12");
    assert.equal(mail.attachments[0].filename, "Übersicht €.txt");
    assert.ok(!mail.headers.some(({ key }) => key.startsWith("x-sendlog-tag")));
    const logged = await team.find((await team.findTo(to)).id);
    assert.deepEqual([logged.subject, logged.toAddresses], ["Ihre Bestellung € 12", [to]]);
  });

  test("an idempotency key makes a repetition harmless, whatever the program writes anew", async () => {
    const to = `bob-${randomUUID()}@example.com`;
    const mail = { from: sender, to, subject: "Once", html: "<p>x</p>", text: "x", headers: { "Idempotency-Key": to } };
    const [one, two] = [await transport("tls").sendMail(mail), await transport("tls").sendMail(mail)];
    assert.notEqual(one.messageId, two.messageId);
    assert.equal(one.response, two.response);
    assert.equal((await smtp.waitFor(to)).length, 1);
  });

  test("a program hears why it is refused", async () => {
    const wrong = transport("tls", { auth: { user: "sendlog", pass: "sl_nobody" } });
    await assert.rejects(wrong.sendMail({ from: sender, to: "bob@example.com", text: "x" }), {
      code: "EAUTH",
      responseCode: 535,
    });
    const to = ["bob@example..com", "bob@example.com"];
    const partly = await transport("starttls").sendMail({ from: sender, to, text: "x" });
    assert.deepEqual([partly.accepted, partly.rejected], [["bob@example.com"], ["bob@example..com"]]);
    const tooLarge = { from: sender, to: "bob@example.com", text: "x".repeat(26_300_000) };
    await assert.rejects(transport("tls").sendMail(tooLarge), { responseCode: 552 });
  });

  test("many messages go over one connection, at once", async () => {
    const pool = transport("tls", { pool: true, maxConnections: 4 });
    const tos = Array.from({ length: 60 }, () => `bob-${randomUUID()}@example.com`);
    const sent = await Promise.all(tos.map((to) => pool.sendMail({ from: sender, to, subject: "Many", text: to })));
    assert.equal(new Set(sent.map(({ response }) => response)).size, tos.length);
    pool.close();
    for (const to of tos) {
      assert.equal((await smtp.waitFor(to)).length, 1);
    }
  });
});
