// What goes out by Postmark, held against what npm `postmark` makes of the same message, and Sendlog's reading of Postmark's
// answers against the client's errors.
// Sources: Postmark, "Email API", "API overview" (error codes), "Webhooks API".

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import postmark from "postmark";
import { fullMail, inAscii, logo, pdf, sendFull } from "../support/full-mail.js";
import { ProviderApi, assertSame, connectionOnly, errorOf, headOf, jsonOf } from "../support/provider-api.js";
import { setStage } from "../support/stage.js";
import { uniqueAddress } from "../support/team.js";

const { Models } = postmark;
const token = "0e2a7c46-server-token";

let api;
let client;
const stage = setStage({
  prepare: async ({ team }) => {
    api = await ProviderApi.start(accept);
    client = new postmark.ServerClient(token, { requestHost: api.host, useHttps: false });
    await team.createAdapter("postmark", url("?messageStream=receipts&trackOpens=false&trackLinks=true"), "--default");
  },
});
after(() => api?.stop());

function url(query = "") {
  return api.url(query, token);
}

/** What Postmark answers: a message's id, to whom it knows. */
async function accept({ path, headers, body }) {
  if (headers["x-postmark-server-token"] !== token) {
    return refusal(401, 10, "No Account or Server API tokens were supplied in the HTTP headers.");
  }
  const taken = ({ To }) => ({ To, SubmittedAt: new Date().toISOString(), MessageID: randomUUID(), ErrorCode: 0, Message: "OK" });
  const mail = JSON.parse(body);
  return { json: path === "/email/batch" ? mail.map(taken) : taken(mail) };
}

function refusal(status, ErrorCode, Message) {
  return { status, json: { ErrorCode, Message } };
}

/** A message in the words of the client's own models. */
function messageOf(mail, id) {
  const header = ([name, value]) => new Models.Header(name, value);
  const file = (name, bytes, type, ...more) => new Models.Attachment(name, bytes.toString("base64"), type, ...more);
  const message = new Models.Message(
    mail.from,
    mail.subject,
    mail.html,
    mail.text,
    mail.to.join(", "),
    mail.cc.join(", "),
    mail.bcc.join(", "),
    mail.replyTo.join(", "),
    "kind:receipt",
    false,
    Models.LinkTrackingOptions.HtmlAndText,
    Object.entries(mail.headers).map(header),
    [
      file(mail.attachments[0].filename, pdf, "application/pdf", undefined),
      file("logo.png", logo, "image/png", "cid:logo"),
    ],
    { sendlog_id: id, topic_id: "topic_17" },
  );
  return Object.assign(message, { MessageStream: "receipts" });
}

const headDifferences = (ours) => ({
  ...connectionOnly,
  "headers.user-agent": { why: "each says its own name", ours: ours.headers["user-agent"] },
  "headers.accept-encoding": { why: "Sendlog reads answers as they are", ours: undefined },
  "headers.accept-language": { why: "Node's fetch names languages, and Postmark has one", ours: undefined },
  "headers.sec-fetch-mode": { why: "Node's fetch says what browsers say", ours: undefined },
});

/** What may differ in a message that stands at a path. */
const differences = (path) => ({
  [`${path}To`]: { why: "the domain is in ASCII, as it is in the mail", ours: inAscii },
  [`${path}Attachments.0.ContentID`]: { why: "the client's model says of a file without an id that it has none", ours: undefined },
});

test("a message is the request that Postmark's client makes of it", async () => {
  const mail = fullMail();
  const [ours, id] = await api.asked(() => sendFull(stage.team, mail));
  const [theirs] = await api.asked(() => client.sendEmail(messageOf(mail, id)));
  assertSame(headOf(ours), headOf(theirs), headDifferences(ours));
  assertSame(jsonOf(ours), jsonOf(theirs), differences(""));
});

test("a message is what stands in the client's batch", async () => {
  const mail = fullMail();
  const [ours, id] = await api.asked(() => sendFull(stage.team, mail));
  const [theirs] = await api.asked(() => client.sendEmailBatch([messageOf(mail, id)]));
  assertSame(headOf(ours), headOf(theirs), {
    ...headDifferences(ours),
    path: { why: "Sendlog asks for each message by itself: each has an outcome and a next try of its own", ours: "/email" },
  });
  assertSame([jsonOf(ours)], jsonOf(theirs), differences("0."));
});

test("the client's message id is the one that Sendlog shows", async () => {
  const json = { To: "ada@example.com", SubmittedAt: "2026-12-01T00:00:00Z", MessageID: randomUUID(), ErrorCode: 0, Message: "OK" };
  const [{ MessageID }, { providerMessageId }] = await api.answering(async () => ({ json }), async () => [
    await client.sendEmail(new Models.Message("a@finch.example", "Hello")),
    await stage.team.waitForStatus(await sendFull(stage.team, fullMail()), "sent"),
  ]);
  assert.equal(MessageID, json.MessageID);
  assert.equal(providerMessageId, MessageID);
});

test("whom the client calls inactive has bounced, and the others have the mail", async () => {
  const mail = { ...fullMail(), to: [uniqueAddress("ada"), uniqueAddress("inactive")], cc: [], bcc: [] };
  const Message = `Message OK, but will not deliver to these inactive addresses: ${mail.to[1]}.`;
  const answer = async () => ({ json: { MessageID: randomUUID(), ErrorCode: 0, Message } });
  const { id } = await api.answering(answer, async () =>
    stage.team.waitForStatus(await sendFull(stage.team, mail), "bounced"),
  );
  const { events } = await stage.team.look(id);
  const about = (kind) => events.filter((event) => event.kind === kind).map(({ recipient }) => recipient);
  assert.deepEqual(about("bounced"), postmark.Errors.InactiveRecipientsError.parseInactiveRecipients(Message));
  assert.deepEqual(about("sent"), [mail.to[0]]);
});

test("Connect asks for the webhook that the client would make", async () => {
  const browser = await stage.team.logIn();
  const adapter = await stage.team.createAdapter("postmark", url("?messageStream=receipts"));
  const id = (await browser.submit("create_provider_webhook", { provider: "postmark" })).split("/").at(-1);
  const address = new URL((await browser.call("load_provider_webhook", { id })).address);
  const made = async () => ({ json: { ID: 1234567 } });
  const [ours] = await api.answering(made, () =>
    api.asked(() => browser.submit("connect_provider_webhook", { id, adapter })),
  );
  const on = { Enabled: true };
  const triggers = {
    Open: { ...on, PostFirstOpenOnly: false },
    Click: on,
    Delivery: on,
    Bounce: { ...on, IncludeContent: false },
    SpamComplaint: { ...on, IncludeContent: false },
    SubscriptionChange: on,
  };
  const logIn = { Username: address.username, Password: address.password };
  const bare = address.origin + address.pathname;
  const webhook = new Models.CreateWebhookRequest(bare, triggers, logIn, undefined, "receipts");
  const [theirs] = await api.answering(made, () => api.asked(() => client.createWebhook(webhook)));
  assertSame(headOf(ours), headOf(theirs), headDifferences(ours));
  assertSame(jsonOf(ours), jsonOf(theirs));
});

/** What an error of the client's calls for. */
const meanings = {
  // Postmark sent nothing, because of the recipient.
  InactiveRecipientsError: () => "bounced",
  // Something of the message cannot be: its recipient, or the rest.
  InvalidEmailRequestError: ({ message }) => (message.includes("'To'") ? "bounced" : "failed"),
  ApiInputError: () => "failed",
  // Nothing is wrong with the message: it goes when the key is right.
  InvalidAPIKeyError: () => "failed_to_send",
  RateLimitExceededError: () => "deferred",
  InternalServerError: () => "deferred",
  ServiceUnavailablerError: () => "deferred",
};

const inactive = (to) =>
  `You tried to send to recipient(s) that have been marked as inactive. Found inactive addresses: ${to}. ` +
  "Inactive recipients are ones that have generated a hard bounce, a spam complaint, or a manual suppression.";

const errors = {
  "an inactive recipient": [422, 406, inactive, "InactiveRecipientsError", "bounced", "suppressed"],
  "an address that can be none": [
    ...[422, 300, () => "Error parsing 'To': Illegal email address 'ada@'. It must contain the '@' symbol."],
    ...["InvalidEmailRequestError", "bounced", "address_unknown"],
  ],
  "a message that cannot be": [
    ...[422, 300, () => "Provide either email TextBody or HtmlBody or both."],
    ...["InvalidEmailRequestError", "failed", "unknown"],
  ],
  "a sender that is not confirmed": [
    ...[422, 400, () => "The 'From' address you supplied (hello@acme.example) is not a Sender Signature on your account."],
    ...["ApiInputError", "failed", "our_settings"],
  ],
  "a wrong token": [null, 10, null, "InvalidAPIKeyError", "failed_to_send", null],
  "too many at once": [429, 429, () => "Rate limit exceeded.", "RateLimitExceededError", "deferred", null],
  "a fault of Postmark's": [500, 100, () => "Maintenance", "InternalServerError", "deferred", null],
  "a service that is away": [503, 0, () => "Service unavailable", "ServiceUnavailablerError", "deferred", null],
};

for (const [name, [status, code, words, className, kind, failure]] of Object.entries(errors)) {
  test(`${name}: Sendlog does what the client's error calls for, in its words`, async () => {
    const isKnown = status !== null;
    const adapter = await stage.team.createAdapter("postmark", isKnown ? url() : api.url("", "not-the-token"));
    const by = isKnown ? client : new postmark.ServerClient("not-the-token", { requestHost: api.host, useHttps: false });
    const to = uniqueAddress();
    const message = new Models.Message("a@finch.example", "Hello", undefined, "Hello", to);
    const answer = isKnown ? async () => refusal(status, code, words(to)) : accept;
    const [error, shown] = await api.answering(answer, async () => [
      await errorOf(by.sendEmail(message)),
      await stage.team.attempt(adapter, to),
    ]);
    assert.equal(error.constructor.name, className);
    const event = shown.events.findLast(({ detail }) => detail.reply != null);
    assert.equal(event.kind, meanings[className](error), JSON.stringify(shown.events));
    assert.equal(event.kind, kind);
    const said = error.code === 0 ? error.message : `${error.message} (${error.code})`;
    assert.ok(event.detail.reply.includes(said), `${event.detail.reply} lacks ${said}`);
    assert.equal(shown.attempts[0].code, error.statusCode);
    assert.equal(shown.failure ?? null, failure);
    if (error instanceof postmark.Errors.InactiveRecipientsError) {
      assert.deepEqual(error.recipients, [event.recipient]);
    }
  });
}
