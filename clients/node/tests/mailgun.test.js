// What goes out by Mailgun, held against what npm `mailgun.js` makes of the same message, and Sendlog's reading of Mailgun's
// answers against the client's errors.
// Sources: Mailgun, "Messages" (POST /v3/{domain}/messages), "Domain Webhooks".

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import Mailgun from "mailgun.js";
import nodemailer from "nodemailer";
import { fullMail, inAscii, logo, pdf, sendFull } from "../support/full-mail.js";
import { ProviderApi, assertSame, connectionOnly, errorOf, formOf, headOf } from "../support/provider-api.js";
import { freePorts } from "../support/sendlog.js";
import { setStage } from "../support/stage.js";
import { uniqueAddress } from "../support/team.js";

const key = "key-0a1b2c3d";
const domain = "mg.finch.example";
const settings = "?trackOpens=true&trackLinks=false";

let smtpPort;
let api;
let client;
const stage = setStage({
  environment: async () => {
    [smtpPort] = await freePorts(1);
    return { SENDLOG_SMTP_ADDR: `127.0.0.1:${smtpPort}` };
  },
  prepare: async ({ team }) => {
    api = await ProviderApi.start(accept);
    client = clientBy(key);
    await team.createAdapter("mailgun", api.url(`/v3/${domain}${settings}`, key), "--default");
  },
});
after(() => api?.stop());

function clientBy(key) {
  return new Mailgun(FormData).client({ username: "api", key, url: `http://${api.host}` });
}

/** What Mailgun answers: a message's id, to whom it knows. */
async function accept({ headers }) {
  if (headers.authorization !== `Basic ${Buffer.from(`api:${key}`).toString("base64")}`) {
    return { status: 401, text: "Forbidden" };
  }
  return { json: { id: `<${randomUUID()}@${domain}>`, message: "Queued. Thank you." } };
}

const headDifferences = (ours) => ({
  ...connectionOnly,
  "headers.user-agent": { why: "each says its own name", ours: ours.headers["user-agent"] },
  "headers.accept": { why: "Sendlog reads JSON alone", ours: "application/json" },
  "headers.accept-encoding": { why: "Sendlog reads answers as they are", ours: undefined },
  "headers.content-type": {
    why: "each makes a boundary of its own",
    ours: (theirs) => {
      const kind = /^multipart\/form-data; boundary=\S+$/;
      assert.match(theirs, kind);
      assert.match(ours.headers["content-type"], kind);
      return ours.headers["content-type"];
    },
  },
});

test("a message is the form that Mailgun's client makes of it", async () => {
  const mail = fullMail();
  const [ours, id] = await api.asked(() => sendFull(stage.team, mail));
  const header = ([name, value]) => [`h:${name}`, value];
  const file = (name, bytes, type) => ({ filename: name, data: new Blob([bytes], { type }) });
  const [theirs] = await api.asked(() =>
    client.messages.create(domain, {
      ...{ from: mail.from, to: mail.to, cc: mail.cc, bcc: mail.bcc },
      ...{ subject: mail.subject, text: mail.text, html: mail.html },
      "h:Reply-To": mail.replyTo.join(", "),
      ...Object.fromEntries(Object.entries(mail.headers).map(header)),
      "v:sendlog_id": id,
      "v:topic_id": "topic_17",
      "o:tag": ["kind:receipt", "month:march"],
      "o:tracking-opens": true,
      "o:tracking-clicks": false,
      attachment: [file(mail.attachments[0].filename, pdf, "application/pdf")],
      // Mailgun makes the content id of an inline file from its name.
      inline: [file("logo", logo, "image/png")],
    }),
  );
  assertSame(headOf(ours), headOf(theirs), headDifferences(ours));
  assertSame(await formOf(ours), await formOf(theirs), {
    "to.0": { why: "the domain is in ASCII, as it is in the mail", ours: inAscii },
  });
});

test("a mail that came whole goes out byte for byte, as Mailgun's client sends one", async () => {
  const to = uniqueAddress();
  const raw = Buffer.from(`From: Finch <a@finch.example>\r\nTo: ${to}\r\nSubject: odd\r\nX-Odd:  two\r\n\r\nGrüße\r\n.\r\n`);
  const transport = nodemailer.createTransport({
    ...{ host: "127.0.0.1", port: smtpPort, ignoreTLS: true },
    auth: { user: "sendlog", pass: stage.team.key.key },
  });
  const blind = uniqueAddress("blind");
  const envelope = { from: "a@finch.example", to: [to, blind] };
  const [ours, { response }] = await api.asked(() => transport.sendMail({ envelope, raw }));
  const [id] = response.match(/eml_\w+/);
  const form = await formOf(ours);
  const sent = Buffer.from(form.message[0].base64, "base64");
  const [theirs] = await api.asked(() =>
    client.messages.create(domain, {
      to: [to, blind],
      message: sent,
      "v:sendlog_id": id,
      "o:tracking-opens": "yes",
      "o:tracking-clicks": "no",
    }),
  );
  assertSame(headOf(ours), headOf(theirs), headDifferences(ours));
  assertSame(form, await formOf(theirs), {
    "message.0.name": { why: "the file's name tells Mailgun nothing", ours: "message.eml" },
    "message.0.type": { why: "the client does not say what the file is", ours: "message/rfc822" },
  });
  assert.ok(sent.subarray(-raw.length).equals(raw), sent.toString());
  assert.ok(!sent.includes(blind));
});

test("the client's message id is the one that Sendlog shows, without its brackets", async () => {
  const json = { id: `<20261201.1.F3@${domain}>`, message: "Queued. Thank you." };
  const [{ id: told }, { providerMessageId }] = await api.answering(async () => ({ json }), async () => [
    await client.messages.create(domain, { from: "a@finch.example", to: "b@example.com", text: "x" }),
    await stage.team.waitForStatus(await sendFull(stage.team, fullMail()), "sent"),
  ]);
  assert.equal(told, json.id);
  // Mailgun's webhooks name it without them, and Sendlog finds the message by what they name.
  assert.equal(`<${providerMessageId}>`, told);
});

test("Connect asks for the webhooks that the client would make", async () => {
  const browser = await stage.team.logIn();
  const adapter = await stage.team.createAdapter("mailgun", api.url(`/v3/${domain}`, key));
  const id = (await browser.submit("create_provider_webhook", { provider: "mailgun" })).split("/").at(-1);
  const { address } = await browser.call("load_provider_webhook", { id });
  const made = { webhook: { urls: [address] } };
  const answer = async ({ method }) => ({ json: method === "GET" ? { http_signing_key: "hush" } : made });
  const before = api.requests.length;
  await api.answering(answer, () => browser.submit("connect_provider_webhook", { id, adapter }));
  const [signingKey, ...ours] = api.requests.slice(before);
  assert.equal(`${signingKey.method} ${signingKey.path}`, "GET /v5/accounts/http_signing_key");
  const names = await Promise.all(ours.map(async (each) => (await formOf(each)).id[0]));
  // All that the client knows, but `accepted`: Sendlog knows that from Mailgun's answer.
  assert.deepEqual(
    new Set(names),
    new Set(["delivered", "opened", "clicked", "unsubscribed", "complained", "permanent_fail", "temporary_fail"]),
  );
  for (const [number, name] of names.entries()) {
    const [theirs] = await api.answering(answer, () => api.asked(() => client.webhooks.create(domain, name, address)));
    assertSame(headOf(ours[number]), headOf(theirs), {
      ...headDifferences(ours[number]),
      "headers.content-type": { why: "there is no file in the form", ours: "application/x-www-form-urlencoded" },
    });
    assertSame(await formOf(ours[number]), await formOf(theirs));
  }
});

/** What an error of the client's calls for. */
function meaningOf({ status, details }) {
  if (status === 429 || status >= 500) {
    return "deferred";
  }
  // Nothing is wrong with the message: it goes when the key, or the adapter, is right.
  if (status === 401 || status === 404) {
    return "failed_to_send";
  }
  return details.startsWith("'to' parameter") ? "bounced" : "failed";
}

const errors = {
  "a wrong key": [null, null, "failed_to_send", null],
  "an address that can be none": [
    ...[400, "'to' parameter is not a valid address. please check documentation"],
    ...["bounced", "address_unknown"],
  ],
  "a sender that can be none": [
    ...[400, "'from' parameter is not a valid address. please check documentation"],
    ...["failed", "our_settings"],
  ],
  "a message that cannot be": [400, "Need at least one of 'text' or 'html' parameters specified", "failed", "unknown"],
  "a domain that is not there": [404, `Domain not found: ${domain}`, "failed_to_send", null],
  "too many at once": [429, `Domain ${domain} is not allowed to send: request limit exceeded`, "deferred", null],
  "a fault of Mailgun's": [500, "Internal Server Error", "deferred", null],
};

for (const [name, [status, message, kind, failure]] of Object.entries(errors)) {
  test(`${name}: Sendlog does what the client's error calls for, in its words`, async () => {
    const isKnown = status !== null;
    const used = isKnown ? key : "key-not-this";
    const adapter = await stage.team.createAdapter("mailgun", api.url(`/v3/${domain}`, used));
    const mail = { from: "a@finch.example", to: "b@example.com", text: "x" };
    const answer = isKnown ? async () => ({ status, json: { message } }) : accept;
    const [error, shown] = await api.answering(answer, async () => [
      await errorOf(clientBy(used).messages.create(domain, mail)),
      await stage.team.attempt(adapter),
    ]);
    const event = shown.events.findLast(({ detail }) => detail.reply != null);
    assert.equal(event.kind, meaningOf(error), JSON.stringify(shown.events));
    assert.equal(event.kind, kind);
    assert.ok(error.details.length > 0);
    assert.ok(event.detail.reply.includes(error.details), `${event.detail.reply} lacks ${error.details}`);
    assert.equal(shown.attempts[0].code, error.status);
    assert.equal(shown.failure ?? null, failure);
  });
}
