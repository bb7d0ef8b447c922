// Resend's dialect, driven by npm `resend`. The client takes the base URL as an option; it gives `{ data, error, headers }`
// and throws nothing.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { Resend } from "resend";
import { rateLimit, setStage } from "../support/stage.js";
import { addressesOf, attachmentsOf, bodyOf } from "../support/targets.js";
import { Arrivals, from, uniqueAddress } from "../support/team.js";
import { waitFor } from "../support/waiting.js";

const stage = setStage();

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const createdAt = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\+00$/;
const noId = "00000000-0000-4000-8000-000000000000";
const many = 23;

/** The client with a team's key, or another one. */
function clientOf(team, key = team.key.key) {
  return new Resend(key, { baseUrl: team.sendlog.prefixedUrl("resend") });
}

/** What the client gave, when it is no error. */
function dataOf({ data, error }) {
  assert.equal(error, null, JSON.stringify(error));
  return data;
}

function assertError({ data, error, headers }, statusCode, ...names) {
  assert.equal(data, null);
  assert.deepEqual(Object.keys(error).sort(), ["message", "name", "statusCode"]);
  assert.equal(error.statusCode, statusCode, JSON.stringify(error));
  assert.ok(names.includes(error.name), `${error.name} is none of ${names}`);
  assert.ok(error.message.length > 0);
  assert.match(headers["content-type"], /^application\/json/);
}

function mail(to, fields = {}) {
  return { from, to, subject: "Hello", html: "<p>Hello</p>", ...fields };
}

function inHours(hours) {
  return new Date(Date.now() + hours * 3_600_000).toISOString();
}

/** Every id, page after page, with something new before each page. */
async function walk(list, limit, arrivals) {
  const seen = [];
  for (;;) {
    await arrivals.waitForAnother();
    const page = dataOf(await list({ limit, ...(seen.length > 0 && { after: seen.at(-1) }) }));
    seen.push(...page.data.map(({ id }) => id));
    if (!page.has_more) {
      return seen;
    }
  }
}

// Sending.

for (const where of ["prefixedUrl", "ownUrl"]) {
  test(`a message is sent and read back, at the ${where}`, async () => {
    const resend = new Resend(stage.team.key.key, { baseUrl: stage.sendlog[where]("resend") });
    const to = uniqueAddress();
    const { id } = dataOf(await resend.emails.send(mail(to, { subject: "Hello Ada", text: "Good day" })));
    assert.match(id, uuid);
    const [received] = await stage.smtp.waitFor(to);
    assert.equal(received.subject, "Hello Ada");
    assert.equal(bodyOf(received, "html"), "<p>Hello</p>");
    assert.equal(bodyOf(received, "text"), "Good day");
    const found = dataOf(await resend.emails.get(id));
    assert.equal(found.object, "email");
    assert.equal(found.id, id);
    assert.deepEqual(found.to, [to]);
    assert.equal(found.from, from);
    assert.equal(found.subject, "Hello Ada");
    assert.equal(found.html, "<p>Hello</p>");
    assert.equal(found.text, "Good day");
    assert.ok(!Number.isNaN(Date.parse(found.created_at.replace(/\+00$/, "Z"))), found.created_at);
    assert.ok(["queued", "sent"].includes(found.last_event), found.last_event);
  });
}

test("the base URL may come from the environment", async () => {
  process.env.RESEND_BASE_URL = stage.sendlog.prefixedUrl("resend");
  process.env.RESEND_API_KEY = stage.team.key.key;
  try {
    dataOf(await new Resend().emails.list());
  } finally {
    delete process.env.RESEND_BASE_URL;
    delete process.env.RESEND_API_KEY;
  }
});

for (const [shape, of] of [["text", (one) => one], ["a list", (one) => [one]]]) {
  test(`cc, bcc and replyTo are honoured as ${shape}`, async () => {
    const resend = clientOf(stage.team);
    const [to, cc, bcc, replyTo] = ["to", "cc", "bcc", "reply"].map(uniqueAddress);
    const { id } = dataOf(
      await resend.emails.send(mail(of(to), { cc: of(cc), bcc: of(bcc), replyTo: of(replyTo) })),
    );
    const [received] = await stage.smtp.waitFor(bcc);
    assert.deepEqual(addressesOf(received, "to"), [to]);
    assert.deepEqual(addressesOf(received, "cc"), [cc]);
    assert.deepEqual(addressesOf(received, "bcc"), []);
    assert.deepEqual(addressesOf(received, "replyTo"), [replyTo]);
    await stage.smtp.waitFor(cc);
    const found = dataOf(await resend.emails.get(id));
    assert.deepEqual([found.cc, found.bcc, found.reply_to], [[cc], [bcc], [replyTo]]);
  });
}

test("attachments, headers and tags are kept", async () => {
  const resend = clientOf(stage.team);
  const to = uniqueAddress();
  const tags = [{ name: "category", value: "confirm_email" }];
  const { id } = dataOf(
    await resend.emails.send(
      mail(to, {
        html: '<img src="cid:logo">',
        headers: { "X-Entity-Ref-ID": "123" },
        tags,
        attachments: [
          { filename: "buffer.bin", content: Buffer.from([0, 255, 1]) },
          { filename: "base64.txt", content: Buffer.from("from base64").toString("base64") },
          { filename: "typed.dat", content: Buffer.from("{}"), contentType: "application/json" },
          { filename: "logo.png", content: Buffer.from("png"), contentId: "logo" },
        ],
      }),
    ),
  );
  const [received] = await stage.smtp.waitFor(to);
  assert.deepEqual(attachmentsOf(received), {
    "buffer.bin": "\x00\xff\x01",
    "base64.txt": "from base64",
    "typed.dat": "{}",
    "logo.png": "png",
  });
  const byName = Object.fromEntries(received.attachments.map((one) => [one.filename, one]));
  assert.equal(byName["typed.dat"].mimeType, "application/json");
  assert.equal(byName["logo.png"].contentId, "<logo>");
  assert.equal(received.headers.find(({ key }) => key === "x-entity-ref-id")?.value, "123");
  assert.deepEqual(dataOf(await resend.emails.get(id)).tags, tags);
});

test("a template is filled in", async () => {
  const template = await stage.team.createTemplate({ subject: "Hi {{ name }}", html: "<p>{{ age }}</p>" });
  const to = uniqueAddress();
  dataOf(
    await clientOf(stage.team).emails.send({
      from, to, template: { id: template, variables: { name: "Ada", age: 36 } },
    }),
  );
  const [received] = await stage.smtp.waitFor(to);
  assert.deepEqual([received.subject, bodyOf(received, "html")], ["Hi Ada", "<p>36</p>"]);
});

// Batches.

test("a batch gives one id for each message", async () => {
  const resend = clientOf(stage.team);
  const recipients = [uniqueAddress(), uniqueAddress(), uniqueAddress()];
  const { data } = dataOf(await resend.batch.send(recipients.map((to) => mail(to))));
  assert.equal(new Set(data.map(({ id }) => id)).size, 3);
  for (const [index, { id }] of data.entries()) {
    assert.deepEqual(dataOf(await resend.emails.get(id)).to, [recipients[index]]);
    await stage.smtp.waitFor(recipients[index]);
  }
});

test("a strict batch is all or nothing", async () => {
  const team = await stage.makeTeam();
  const messages = [mail(uniqueAddress()), mail("no address")];
  for (const options of [undefined, { batchValidation: "strict" }]) {
    assertError(await clientOf(team).batch.send(messages, options), 422, "validation_error");
  }
  assert.equal(await team.count(), 0);
});

test("a permissive batch sends what it can and names the rest", async () => {
  const to = uniqueAddress();
  const messages = [mail("no address"), mail(to)];
  const answer = dataOf(await clientOf(stage.team).batch.send(messages, { batchValidation: "permissive" }));
  assert.equal(answer.data.length, 1);
  assert.deepEqual(answer.errors.map(({ index }) => index), [0]);
  assert.ok(answer.errors[0].message);
  await stage.smtp.waitFor(to);
});

test("a batch of more than a hundred messages is refused", async () => {
  const team = await stage.makeTeam();
  const messages = Array.from({ length: 101 }, () => mail(uniqueAddress()));
  assertError(await clientOf(team).batch.send(messages), 422, "validation_error", "invalid_parameter");
  assert.equal(await team.count(), 0);
});

// Idempotency keys.

test("an idempotency key sends once", async () => {
  const team = await stage.makeTeam();
  const resend = clientOf(team);
  const message = mail(uniqueAddress());
  const options = { idempotencyKey: randomUUID() };
  const first = dataOf(await resend.emails.send(message, options));
  assert.deepEqual(dataOf(await resend.emails.send(message, options)), first);
  const batch = { idempotencyKey: randomUUID() };
  const sent = dataOf(await resend.batch.send([message, message], batch));
  assert.deepEqual(dataOf(await resend.batch.send([message, message], batch)), sent);
  assert.equal(await team.count(), 3);
});

test("requests with one idempotency key at the same moment send once", async () => {
  const team = await stage.makeTeam();
  const resend = clientOf(team);
  const message = mail(uniqueAddress());
  const options = { idempotencyKey: randomUUID() };
  const answers = await Promise.all(Array.from({ length: 8 }, () => resend.emails.send(message, options)));
  const ids = new Set(answers.filter(({ data }) => data).map(({ data }) => data.id));
  assert.equal(ids.size, 1);
  for (const answer of answers.filter(({ error }) => error)) {
    assertError(answer, 409, "concurrent_idempotent_requests");
  }
  assert.equal(await team.count(), 1);
});

test("an idempotency key with another body is 409, a long one 400", async () => {
  const resend = clientOf(stage.team);
  const options = { idempotencyKey: randomUUID() };
  dataOf(await resend.emails.send(mail(uniqueAddress()), options));
  const again = await resend.emails.send(mail(uniqueAddress()), options);
  assertError(again, 409, "invalid_idempotent_request");
  const long = await resend.emails.send(mail(uniqueAddress()), { idempotencyKey: "k".repeat(257) });
  assertError(long, 400, "invalid_idempotency_key");
});

// Scheduled messages.

test("a scheduled message waits, can be moved and cancelled", async () => {
  const resend = clientOf(stage.team);
  const to = uniqueAddress();
  const [at, later] = [inHours(1), inHours(5)];
  const { id } = dataOf(await resend.emails.send(mail(to, { scheduledAt: at })));
  const found = dataOf(await resend.emails.get(id));
  assert.equal(found.last_event, "scheduled");
  assert.equal(timeOf(found.scheduled_at), Date.parse(at));
  assert.deepEqual(dataOf(await resend.emails.update({ id, scheduledAt: later })), { object: "email", id });
  assert.equal(timeOf(dataOf(await resend.emails.get(id)).scheduled_at), Date.parse(later));
  assert.deepEqual(dataOf(await resend.emails.cancel(id)), { object: "email", id });
  assert.equal(dataOf(await resend.emails.get(id)).last_event, "canceled");
  assert.deepEqual(stage.smtp.to(to), []);
});

test("a scheduled message goes out when its time comes", async () => {
  const to = uniqueAddress();
  const scheduledAt = new Date(Date.now() + 1000).toISOString();
  dataOf(await clientOf(stage.team).emails.send(mail(to, { scheduledAt })));
  await stage.smtp.waitFor(to);
  assert.ok(Date.now() >= Date.parse(scheduledAt), "it went out too early");
});

test("a sent message can be neither moved nor cancelled", async () => {
  const resend = clientOf(stage.team);
  const { id } = dataOf(await resend.emails.send(mail(uniqueAddress())));
  await stage.team.waitForStatus(id, "sent");
  assertError(await resend.emails.cancel(id), 422, "validation_error");
  assertError(await resend.emails.update({ id, scheduledAt: inHours(1) }), 422, "validation_error");
});

// Reading.

test("last_event follows what is reported", async () => {
  const resend = clientOf(stage.team);
  const { id } = dataOf(await resend.emails.send(mail(uniqueAddress())));
  await stage.team.waitForStatus(id, "sent");
  for (const [kind, lastEvent] of [
    ["delivered", "delivered"], ["opened", "opened"], ["clicked", "clicked"], ["delivered", "clicked"],
  ]) {
    await stage.team.report(kind, { emailId: id });
    assert.equal(dataOf(await resend.emails.get(id)).last_event, lastEvent);
  }
});

test("a refused message is bounced", async () => {
  const resend = clientOf(stage.team);
  const { id } = dataOf(await resend.emails.send(mail(uniqueAddress("refused"))));
  await waitFor("bounce", async () => dataOf(await resend.emails.get(id)).last_event === "bounced");
});

test("the list is newest first and pages both ways", async () => {
  const team = await stage.makeTeam();
  const resend = clientOf(team);
  const ids = [];
  for (let index = 0; index < 5; index += 1) {
    ids.unshift(dataOf(await resend.emails.send(mail(uniqueAddress()))).id);
  }
  const page = async (options) => {
    const { data, has_more, object } = dataOf(await resend.emails.list(options));
    assert.equal(object, "list");
    return [data.map(({ id }) => id), has_more];
  };
  assert.deepEqual(await page(), [ids, false]);
  assert.deepEqual(await page({ limit: 2 }), [ids.slice(0, 2), true]);
  assert.deepEqual(await page({ limit: 2, after: ids[1] }), [ids.slice(2, 4), true]);
  assert.deepEqual(await page({ limit: 2, after: ids[3] }), [ids.slice(4), false]);
  assert.deepEqual(await page({ limit: 2, before: ids[2] }), [ids.slice(0, 2), false]);
});

test("a walk has no repeat and no gap while messages arrive", async () => {
  const team = await stage.makeTeam();
  const resend = clientOf(team);
  const sent = dataOf(await resend.batch.send(Array.from({ length: many }, () => mail(uniqueAddress()))));
  const before = sent.data.map(({ id }) => id).reverse();
  const arrivals = new Arrivals(async (to) => dataOf(await resend.emails.send(mail(to))));
  const seen = await walk((options) => resend.emails.list(options), 5, arrivals).finally(() => arrivals.stop());
  assert.equal(new Set(seen).size, seen.length, "a message came twice");
  assert.deepEqual(seen.filter((id) => before.includes(id)), before, "a message is missing or out of order");
});

test("a walk over the requests has no repeat and no gap while they arrive", async () => {
  const team = await stage.makeTeam();
  const resend = clientOf(team);
  for (let index = 0; index < many; index += 1) {
    dataOf(await resend.emails.send(mail(uniqueAddress())));
  }
  const before = dataOf(await resend.logs.list({ limit: 100 })).data.map(({ id }) => id);
  assert.ok(before.length >= many);
  const arrivals = new Arrivals(async (to) => dataOf(await resend.emails.send(mail(to))));
  const seen = await walk((options) => resend.logs.list(options), 5, arrivals).finally(() => arrivals.stop());
  assert.equal(new Set(seen).size, seen.length, "a request came twice");
  assert.deepEqual(seen.filter((id) => before.includes(id)), before, "a request is missing or out of order");
});

test("a request is logged with both bodies and no secret", async () => {
  const team = await stage.makeTeam();
  const resend = clientOf(team);
  const to = uniqueAddress();
  const sent = dataOf(await resend.emails.send(mail(to)));
  const { data } = dataOf(await resend.logs.list({ limit: 20 }));
  const entry = data.find(({ method, endpoint }) => method === "POST" && endpoint === "/emails");
  const fields = ["created_at", "endpoint", "id", "method", "response_status", "user_agent"];
  assert.deepEqual(Object.keys(entry).sort(), fields);
  assert.match(entry.id, uuid);
  assert.match(entry.created_at, createdAt);
  assert.equal(entry.response_status, 200);
  assert.match(entry.user_agent, /^resend-node:/);
  const found = dataOf(await resend.logs.get(entry.id));
  assert.equal(found.object, "log");
  assert.equal(found.request_body.to, to);
  assert.deepEqual(found.response_body, { id: sent.id });
  assert.ok(!JSON.stringify(found).includes(team.key.key));
});

// Errors.

test("a missing key is 401", async () => {
  // The client refuses to be made without a key, so this is sent by hand.
  assert.throws(() => new Resend(""), /Missing API key/);
  const url = `${stage.sendlog.prefixedUrl("resend")}/emails`;
  for (const headers of [{}, { Authorization: "" }, { Authorization: "Bearer " }]) {
    const response = await fetch(url, { headers });
    assert.equal(response.status, 401);
    assert.equal((await response.json()).name, "missing_api_key");
  }
});

test("a wrong key is 403", async () => {
  const resend = clientOf(stage.team, "sl_not_a_key");
  for (const answer of [
    await resend.emails.send(mail(uniqueAddress())),
    await resend.emails.list(),
    await resend.logs.list(),
    await resend.logs.get(noId),
  ]) {
    assertError(answer, 403, "invalid_api_key");
  }
});

test("a key may only what its scopes say", async () => {
  const reading = clientOf(stage.team, (await stage.team.createKey("logs:view")).key);
  const sending = clientOf(stage.team, (await stage.team.createKey("emails:send")).key);
  const { id } = dataOf(await sending.emails.send(mail(uniqueAddress())));
  dataOf(await reading.emails.get(id));
  for (const answer of [
    await reading.emails.send(mail(uniqueAddress())),
    await reading.batch.send([mail(uniqueAddress())]),
    await reading.emails.cancel(id),
    await sending.emails.list(),
    await sending.logs.list(),
  ]) {
    assertError(answer, 401, "restricted_api_key");
  }
});

test("wrong messages are 422 and nothing is kept", async () => {
  const team = await stage.makeTeam();
  const resend = clientOf(team);
  for (const field of ["from", "to", "subject"]) {
    const answer = await resend.emails.send(mail(uniqueAddress(), { [field]: undefined }));
    assertError(answer, 422, "missing_required_field");
    assert.match(answer.error.message, new RegExp(field));
  }
  for (const wrong of [
    { to: "no address" },
    { from: "no address" },
    { cc: "no address" },
    { to: Array.from({ length: 51 }, () => uniqueAddress()) },
    { attachments: [{ filename: "a.txt", content: "!no base64!" }] },
    { attachments: [{ path: "http://127.0.0.1:9/report.pdf" }] },
    { scheduledAt: "no time" },
    { template: { id: "tpl_0000000000000" }, html: undefined },
  ]) {
    const answer = await resend.emails.send(mail(uniqueAddress(), wrong));
    assertError(
      answer, 422, "validation_error", "invalid_parameter", "invalid_attachment", "missing_required_field",
    );
  }
  assert.equal(await team.count(), 0);
});

test("a limit out of bounds and both cursors at once are 422", async () => {
  const resend = clientOf(stage.team);
  for (const options of [{ limit: 0 }, { limit: 101 }, { limit: "ten" }, { limit: 1, after: noId, before: noId }]) {
    assertError(await resend.emails.list(options), 422, "validation_error", "invalid_parameter");
    assertError(await resend.logs.list(options), 422, "validation_error", "invalid_parameter");
  }
});

test("what is not there is 404", async () => {
  const resend = clientOf(stage.team);
  for (const answer of [
    await resend.emails.get(noId),
    await resend.emails.get("nonsense"),
    await resend.emails.cancel(noId),
    await resend.emails.update({ id: noId, scheduledAt: inHours(1) }),
    await resend.logs.get(noId),
    await resend.domains.list(),
  ]) {
    assertError(answer, 404, "not_found");
  }
});

test("the request log is read-only", async () => {
  // The client has no call for this, so its own request is made by hand.
  const resend = clientOf(stage.team);
  for (const path of ["/logs", `/logs/${noId}`]) {
    assertError(await resend.post(path, {}), 405, "method_not_allowed");
    assertError(await resend.patch(path, {}), 405, "method_not_allowed");
    assertError(await resend.put(path, {}), 405, "method_not_allowed");
    assertError(await resend.delete(path), 405, "method_not_allowed");
  }
});

test("a body too large is refused with an error the client can read", async () => {
  const team = await stage.makeTeam();
  const answer = await clientOf(team).emails.send(mail(uniqueAddress(), { text: "x".repeat(26 * 1024 * 1024) }));
  assert.equal(answer.error?.statusCode, 413, JSON.stringify(answer.error));
  assert.equal(await team.count(), 0);
});

test("a key that asks too often is 429", async () => {
  const resend = clientOf(await stage.limitedTeam());
  let answer;
  for (let index = 0; index < rateLimit * 20 && !answer?.error; index += 1) {
    answer = await resend.emails.list();
  }
  assertError(answer, 429, "rate_limit_exceeded");
  assert.equal(Number(answer.headers["ratelimit-limit"]), rateLimit);
  assert.equal(Number(answer.headers["ratelimit-remaining"]), 0);
  assert.ok(Number(answer.headers["ratelimit-reset"]) >= 0);
  assert.ok(Number(answer.headers["retry-after"]) >= 1);
});

test("every answer says how much may still be asked", async () => {
  const resend = clientOf(stage.team);
  for (const { headers } of [
    await resend.emails.list(),
    await resend.emails.send(mail(uniqueAddress())),
    await resend.emails.get(noId),
    await clientOf(stage.team, "sl_not_a_key").emails.list(),
  ]) {
    for (const name of ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"]) {
      assert.match(headers[name] ?? "", /^\d+$/, name);
    }
  }
});

function timeOf(text) {
  return Date.parse(text.replace(" ", "T").replace(/\+00$/, "Z"));
}

// Suppressions.

test("an address is suppressed, found, walked to and lifted", async () => {
  const { suppressions, emails } = clientOf(stage.team);
  const [one, two, three] = ["one", "two", "three"].map(uniqueAddress);
  const { id } = dataOf(await suppressions.add({ email: one }));
  assert.match(id, uuid);
  assert.equal(dataOf(await suppressions.add({ email: one.toUpperCase() })).id, id);
  const batch = dataOf(await suppressions.batch.add({ emails: [two, three, one] })).data;
  assert.deepEqual(batch.map(({ object }) => object), ["suppression", "suppression", "suppression"]);
  assert.equal(batch[2].id, id);
  const { created_at, ...found } = dataOf(await suppressions.get(one));
  assert.deepEqual(found, { object: "suppression", id, email: one, origin: "manual", source_id: null });
  assert.match(created_at, createdAt);
  assert.equal(dataOf(await suppressions.get(id)).email, one);
  const first = dataOf(await suppressions.list({ limit: 2, origin: "manual" }));
  assert.deepEqual(first.data.map(({ email }) => email), [three, two]);
  assert.equal(first.has_more, true);
  const next = dataOf(await suppressions.list({ limit: 2, after: batch[0].id }));
  assert.equal(next.data[0].id, id);
  const bounced = dataOf(await suppressions.list({ origin: "bounce" })).data;
  assert.ok(bounced.every(({ email, origin }) => origin === "bounce" && ![one, two, three].includes(email)));

  const sent = dataOf(await emails.send(mail(one)));
  await waitFor("dropped message", async () => dataOf(await emails.get(sent.id)).last_event === "failed");
  assert.deepEqual(dataOf(await suppressions.remove(one)), { object: "suppression", id, deleted: true });
  assertError(await suppressions.get(one), 404, "not_found");
  assertError(await suppressions.remove(id), 404, "not_found");
  const removed = dataOf(await suppressions.batch.remove({ emails: [two, one] })).data;
  assert.deepEqual(removed, [{ object: "suppression", id: batch[0].id, deleted: true }]);
  dataOf(await suppressions.batch.remove({ ids: [batch[1].id] }));
  assertError(await suppressions.batch.add({ emails: [] }), 422, "validation_error");
  dataOf(await emails.send(mail(one)));
  await stage.smtp.waitFor(one);
});

// Webhooks.

test("a webhook is made, told of what happens, changed and removed", async () => {
  const { webhooks, emails } = clientOf(stage.team);
  const receiver = await Receiver.start();
  try {
    const created = dataOf(await webhooks.create({ endpoint: receiver.url, events: ["email.sent", "email.bounced"] }));
    const { id, signing_secret } = created;
    assert.deepEqual(Object.keys(created), ["object", "id", "signing_secret"]);
    assert.match(id, uuid);
    const { created_at, ...found } = dataOf(await webhooks.get(id));
    assert.match(created_at, createdAt);
    const row = { id, status: "enabled", endpoint: receiver.url, events: ["email.sent", "email.bounced"] };
    assert.deepEqual(found, { object: "webhook", ...row, signing_secret });
    const listed = dataOf(await webhooks.list());
    assert.equal(listed.has_more, false);
    assert.deepEqual(listed.data.find((one) => one.id === id), { created_at, ...row });

    const recipient = uniqueAddress("told");
    const sent = dataOf(await emails.send(mail(recipient)));
    const post = await waitFor("a post", () => receiver.posts.find(({ body }) => body.includes(sent.id)));
    const event = webhooks.verify({
      payload: post.body,
      headers: {
        id: post.headers["svix-id"],
        timestamp: post.headers["svix-timestamp"],
        signature: post.headers["svix-signature"],
      },
      webhookSecret: signing_secret,
    });
    assert.equal(event.type, "email.sent");
    assert.deepEqual(event.data.to, [recipient]);

    dataOf(await webhooks.update(id, { status: "disabled", events: ["email.delivered"] }));
    const changed = dataOf(await webhooks.get(id));
    assert.deepEqual([changed.status, changed.events], ["disabled", ["email.delivered"]]);
    dataOf(await webhooks.update(id, { status: "enabled" }));
    assert.equal(dataOf(await webhooks.get(id)).status, "enabled");
    assertError(await webhooks.create({ endpoint: receiver.url, events: ["contact.created"] }), 422, "validation_error");
    assertError(await webhooks.update(id, { endpoint: "nowhere" }), 422, "validation_error");
    assert.deepEqual(dataOf(await webhooks.remove(id)), { object: "webhook", id, deleted: true });
    assertError(await webhooks.get(id), 404, "not_found");
    assertError(await webhooks.remove(id), 404, "not_found");
  } finally {
    await receiver.stop();
  }
});

/** An address of the team's own, and what is posted to it. */
class Receiver {
  posts = [];
  url;
  #server = createServer(async (request, response) => {
    this.posts.push({ headers: request.headers, body: await text(request) });
    response.end();
  });

  static async start() {
    const receiver = new Receiver();
    await new Promise((done) => receiver.#server.listen(0, "127.0.0.1", done));
    receiver.url = `http://127.0.0.1:${receiver.#server.address().port}/told`;
    return receiver;
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}
