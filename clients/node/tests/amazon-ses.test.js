// What goes out by Amazon SES, held against what `@aws-sdk/client-sesv2` makes of the same message, and Sendlog's reading of
// SES's answers against the client's. The server in the place of SES takes a request whose signature Amazon's own signer
// makes, too, and no other.
// Sources: Amazon SES API v2, "SendEmail"; AWS General Reference, "Signature Version 4"; RFC 2047 (names outside ASCII).

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { SendEmailCommand, SESv2Client } from "@aws-sdk/client-sesv2";
import { HttpRequest } from "@smithy/core/protocols";
import { isServerError, isThrottlingError, isTransientError } from "@smithy/core/retry";
import { SignatureV4 } from "@smithy/signature-v4";
import nodemailer from "nodemailer";
import { decodeWords } from "postal-mime";
import { Chance } from "../support/chance.js";
import { fullMail, inAscii, logo, pdf, sendFull } from "../support/full-mail.js";
import { ProviderApi, assertSame, connectionOnly, errorOf, headOf, jsonOf } from "../support/provider-api.js";
import { freePorts } from "../support/sendlog.js";
import { setStage } from "../support/stage.js";
import { uniqueAddress } from "../support/team.js";

const credentials = { accessKeyId: "AKIDFINCH", secretAccessKey: "hush/hush+hush" };
const region = "eu-central-1";
const settings = `?region=${region}&configurationSet=events`;

let smtpPort;
let ses;
let sdk;
const stage = setStage({
  environment: async () => {
    [smtpPort] = await freePorts(1);
    return { SENDLOG_SMTP_ADDR: `127.0.0.1:${smtpPort}` };
  },
  prepare: async ({ team }) => {
    ses = await ProviderApi.start(accept);
    sdk = client();
    await team.createAdapter("ses", url(), "--default");
  },
});
after(async () => {
  sdk?.destroy();
  await ses?.stop();
});

function url({ accessKeyId, secretAccessKey } = credentials) {
  return ses.url(settings, accessKeyId, secretAccessKey);
}

function client(by = credentials) {
  return new SESv2Client({ region, endpoint: `http://${ses.host}`, credentials: by, maxAttempts: 1 });
}

/** What SES answers: a message's id, to whom it knows. */
async function accept(request) {
  if ((await signed(request)) !== request.headers.authorization) {
    const message = "The request signature we calculated does not match the signature you provided.";
    return refusal(403, "SignatureDoesNotMatch", message);
  }
  return { json: { MessageId: `0107018c-${randomUUID()}-000000` } };
}

function refusal(status, kind, message) {
  return { status, headers: { "x-amzn-ErrorType": kind }, json: { message } };
}

/** The `Authorization` that Amazon's signer gives a request, over the headers that the request says are signed. */
async function signed({ method, path, query, headers, body }, by = credentials) {
  const signer = new SignatureV4({ credentials: by, region, service: "ses", sha256: sdk.config.sha256, applyChecksum: false });
  const names = headers.authorization.match(/SignedHeaders=([^,]+)/)[1].split(";");
  const [hostname, port] = headers.host.split(":");
  const parts = { method, path, query: Object.fromEntries(new URLSearchParams(query)), body };
  const request = new HttpRequest({
    ...parts,
    protocol: "http:",
    hostname,
    port: Number(port),
    headers: Object.fromEntries(names.map((name) => [name, headers[name]])),
  });
  const date = headers["x-amz-date"].replace(/^(....)(..)(..T..)(..)(..)/, "$1-$2-$3:$4:$5");
  return (await signer.sign(request, { signingDate: new Date(date) })).headers.authorization;
}

/** What the two heads may differ in. The signature is looked at by itself. */
const headDifferences = (ours) => ({
  ...connectionOnly,
  "headers.accept": { why: "Sendlog asks for JSON, which is all that SES gives", ours: "application/json" },
  "headers.user-agent": { why: "each says its own name", ours: ours.headers["user-agent"] },
  "headers.x-amz-user-agent": { why: "the client says its name a second time, for browsers", ours: undefined },
  "headers.x-amz-content-sha256": { why: "S3 alone needs it: the body's digest is signed without it", ours: undefined },
  "headers.amz-sdk-invocation-id": { why: "it tells the client's own repetitions apart", ours: undefined },
  "headers.amz-sdk-request": { why: "it tells the client's own repetitions apart", ours: undefined },
});

/** The head of a request, without the time, and of its signature what does not depend on it. */
function steadyHead(request) {
  const head = headOf(request);
  const [, scope] = head.headers.authorization.match(/^(AWS4-HMAC-SHA256 Credential=[^,]+), SignedHeaders=/);
  assert.match(head.headers["x-amz-date"], /^\d{8}T\d{6}Z$/);
  const { "x-amz-date": _, ...headers } = head.headers;
  return { ...head, headers: { ...headers, authorization: scope.replace(/\/\d{8}\//, "/DAY/") } };
}

test("a message is the request that Amazon's client makes of it", async () => {
  const mail = fullMail();
  const [ours, id] = await ses.asked(() => sendFull(stage.team, mail));
  const utf8 = (Data) => ({ Data, Charset: "UTF-8" });
  const [theirs] = await ses.asked(() =>
    sdk.send(
      new SendEmailCommand({
        FromEmailAddress: mail.from,
        Destination: { ToAddresses: mail.to, CcAddresses: mail.cc, BccAddresses: mail.bcc },
        ReplyToAddresses: mail.replyTo,
        Content: {
          Simple: {
            Subject: utf8(mail.subject),
            Body: { Text: utf8(mail.text), Html: utf8(mail.html) },
            Headers: Object.entries(mail.headers).map(([Name, Value]) => ({ Name, Value })),
            Attachments: [
              {
                FileName: mail.attachments[0].filename,
                RawContent: pdf,
                ContentType: "application/pdf",
                ContentDisposition: "ATTACHMENT",
                ContentTransferEncoding: "BASE64",
              },
              {
                FileName: "logo.png",
                RawContent: logo,
                ContentType: "image/png",
                ContentDisposition: "INLINE",
                ContentTransferEncoding: "BASE64",
                ContentId: "logo",
              },
            ],
          },
        },
        EmailTags: [
          { Name: "sendlog_id", Value: id },
          // A tag of SES is a name and a value of letters, digits, and `_-.@`.
          { Name: "tag", Value: "kind_receipt" },
          { Name: "tag_2", Value: "month_march" },
          { Name: "topic_id", Value: "topic_17" },
        ],
        ConfigurationSetName: "events",
      }),
    ),
  );
  assertSame(steadyHead(ours), steadyHead(theirs), headDifferences(ours));
  const why = "SES takes encoded words there, no letters outside ASCII";
  const json = jsonOf(ours);
  const encoded = (text) => (theirs) => {
    assert.match(text, /^[ -~]+$/);
    assert.equal(decodeWords(text), inAscii(theirs));
    return text;
  };
  assertSame(json, jsonOf(theirs), {
    "Destination.ToAddresses.0": { why, ours: encoded(json.Destination.ToAddresses[0]) },
    "Content.Simple.Headers.1.Value": { why, ours: encoded(json.Content.Simple.Headers[1].Value) },
  });
});

test("a mail that came whole goes out byte for byte, as Amazon's client sends one", async () => {
  const to = uniqueAddress();
  const raw = Buffer.from(`From: Finch <a@finch.example>\r\nTo: ${to}\r\nSubject: odd\r\nX-Odd:  two\r\n\r\nGrüße\r\n.\r\n`);
  const transport = nodemailer.createTransport({
    ...{ host: "127.0.0.1", port: smtpPort, ignoreTLS: true },
    auth: { user: "sendlog", pass: stage.team.key.key },
  });
  const blind = uniqueAddress("blind");
  const envelope = { from: "a@finch.example", to: [to, blind] };
  const [ours, { response }] = await ses.asked(() => transport.sendMail({ envelope, raw }));
  const [id] = response.match(/eml_\w+/);
  const { Content } = jsonOf(ours);
  const sent = Buffer.from(Content.Raw.Data, "base64");
  const [theirs] = await ses.asked(() =>
    sdk.send(
      new SendEmailCommand({
        Destination: { ToAddresses: [to], BccAddresses: [blind] },
        Content: { Raw: { Data: sent } },
        EmailTags: [{ Name: "sendlog_id", Value: id }],
        ConfigurationSetName: "events",
      }),
    ),
  );
  assertSame(jsonOf(ours), jsonOf(theirs));
  assert.ok(sent.subarray(-raw.length).equals(raw), sent.toString());
  // What Sendlog put in front of it says nothing of the hidden recipient.
  assert.ok(!sent.includes(blind));
});

test("the signature is the one that Amazon's signer gives, and what was changed on its way has another", async () => {
  const chance = new Chance(Number(process.env.SEED ?? 20261201));
  const [request] = await ses.asked(() => sendFull(stage.team, fullMail()));
  const { authorization } = request.headers;
  assert.equal(await signed(request), authorization);
  assert.match(authorization, /SignedHeaders=content-type;host;x-amz-date,/);
  const header = (name, value) => ({ ...request, headers: { ...request.headers, [name]: value } });
  const changed = {
    "another method": { ...request, method: "PUT" },
    "another path": { ...request, path: `${request.path}x` },
    "a query": { ...request, query: "x=1" },
    "another host": header("host", "127.0.0.1:1"),
    "another content type": header("content-type", "text/plain"),
    "a second later": header("x-amz-date", request.headers["x-amz-date"].replace(/.Z$/, (end) => `${(Number(end[0]) + 1) % 10}Z`)),
    "a header unsigned": header("authorization", authorization.replace("content-type;", "")),
    "the body cut": { ...request, body: request.body.subarray(0, -1) },
    "no body": { ...request, body: Buffer.alloc(0) },
  };
  for (let bit = 0; bit < 20; bit += 1) {
    changed[`bit ${bit} of the body`] = { ...request, body: chance.flipped(request.body) };
  }
  const tag = (text) => text.match(/Signature=([0-9a-f]{64})$/)[1];
  for (const [name, other] of Object.entries(changed)) {
    assert.notEqual(tag(await signed(other)), tag(authorization), name);
  }
  const others = { "another secret": { secretAccessKey: "hush/hush+husk" }, "another access key": { accessKeyId: "AKIDOTHER" } };
  for (const [name, other] of Object.entries(others)) {
    assert.notEqual(await signed(request, { ...credentials, ...other }), authorization, name);
  }
});

test("the client's message id is the one that Sendlog shows", async () => {
  const answer = async () => ({ json: { MessageId: "0107018c-7f6e-same-000000" } });
  const [{ MessageId }, { providerMessageId }] = await ses.answering(answer, async () => [
    await sdk.send(new SendEmailCommand({ Content: {} })),
    await stage.team.waitForStatus(await sendFull(stage.team, fullMail()), "sent"),
  ]);
  assert.equal(MessageId, "0107018c-7f6e-same-000000");
  assert.equal(providerMessageId, MessageId);
});

/** What an error of the client's calls for. */
function meaningOf(error) {
  const { name, message, $metadata } = error;
  if (isThrottlingError(error) || isServerError(error) || isTransientError(error)) {
    return "deferred";
  }
  if ($metadata.httpStatusCode === 403 || ["SendingPausedException", "AccountSuspendedException"].includes(name)) {
    // Nothing is wrong with the message: it goes when the account is mended.
    return "failed_to_send";
  }
  return /address contains/.test(message) ? "bounced" : "failed";
}

const errors = {
  "a wrong secret": [null, "failed_to_send", null],
  "an identity that is not verified": [
    refusal(
      ...[400, "MessageRejected"],
      `Email address is not verified. The following identities failed the check in region ${region}: hello@acme.example`,
    ),
    ...["failed", "our_settings"],
  ],
  "an address that can be none": [
    refusal(400, "BadRequestException", "Local address contains control or whitespace"),
    ...["bounced", "address_unknown"],
  ],
  "a policy that does not let it": [
    refusal(403, "AccessDeniedException", "User is not authorized to perform: ses:SendEmail"),
    ...["failed_to_send", null],
  ],
  "an account on hold": [refusal(400, "SendingPausedException", "Sending is paused for the account."), "failed_to_send", null],
  "a message that cannot be": [refusal(400, "BadRequestException", "Duplicate header 'From'."), "failed", "unknown"],
  "too many at once": [refusal(429, "TooManyRequestsException", "Maximum sending rate exceeded."), "deferred", null],
  "a fault of Amazon's": [refusal(500, "InternalFailure", "We encountered an internal error."), "deferred", null],
};

for (const [name, [answer, kind, failure]] of Object.entries(errors)) {
  test(`${name}: Sendlog does what the client's error calls for, in its words`, async () => {
    const by = answer === null ? { ...credentials, secretAccessKey: "not the secret" } : credentials;
    const adapter = await stage.team.createAdapter("ses", url(by));
    const other = client(by);
    const [error, shown] = await ses.answering(answer === null ? accept : async () => answer, async () => [
      await errorOf(other.send(new SendEmailCommand({ Content: {} }))),
      await stage.team.attempt(adapter),
    ]);
    other.destroy();
    const event = shown.events.findLast(({ detail }) => detail.reply != null);
    assert.equal(event.kind, meaningOf(error), JSON.stringify(shown.events));
    assert.equal(event.kind, kind);
    assert.ok(event.detail.reply.includes(`${error.message} (${error.name})`), `${event.detail.reply} lacks ${error}`);
    assert.equal(shown.attempts[0].code, error.$metadata.httpStatusCode);
    assert.equal(shown.failure ?? null, failure);
  });
}
