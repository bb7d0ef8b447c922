// Sendwithus's dialect, driven by npm `sendwithus`. The client calls any JSON a success: callers look at `success`, and at
// the status that its event `response` tells.

import assert from "node:assert/strict";
import { test } from "node:test";
import sendwithus from "sendwithus";
import { rateLimit, setStage } from "../support/stage.js";
import { addressesOf, attachmentsOf, bodyOf } from "../support/targets.js";
import { Arrivals, uniqueAddress } from "../support/team.js";
import { waitFor } from "../support/waiting.js";

const stage = setStage();

const noId = "log_0000000000000";
const many = 23;

/**
 * The client with a team's key, or another one. Its protocol and host are constants of its module and no options, so the
 * address is changed in what it builds; the path stays its own.
 */
function clientOf(team, key = team.key.key) {
  const client = sendwithus(key);
  const build = client._buildUrl;
  client._buildUrl = (...parts) =>
    build.apply(client, parts).replace("https://api.sendwithus.com", team.sendlog.ownUrl("sendwithus"));
  return client;
}

/** Makes a call of the client and gives what its callback got, and the status that it told. */
async function call(client, make) {
  let status;
  client.once("response", (code) => (status = code));
  return new Promise((done) => make((error, result) => done({ error, result, status })));
}

/** A GET of the client's, for which it has no call. */
function get(client, path, query = {}) {
  const url = `${client._buildUrl(path)}?${new URLSearchParams(query)}`;
  return call(client, (callback) => client._fetch(callback).get(url, client._getOptions()));
}

function send(client, data) {
  return call(client, (callback) => client.send(data, callback));
}

async function accepted(client, template, to) {
  const { result } = await send(client, { template, recipient: { address: to } });
  assert.equal(result.success, true, JSON.stringify(result));
  return result.receipt_id;
}

/** A client of the team and the ids of new messages, newest first. */
async function fill(team, count) {
  const client = clientOf(team);
  const template = await team.createTemplate({ subject: "Filled", text: "Hello" });
  const ids = [];
  for (let index = 0; index < count; index += 1) {
    ids.unshift(await accepted(client, template, uniqueAddress()));
  }
  return { client, template, ids };
}

// Sending.

test("a template is sent and read back", async () => {
  const template = await stage.team.createTemplate({ subject: "Order {{ order }}", html: "<p>Hello {{ name }}</p>" });
  const client = clientOf(stage.team);
  const [to, cc, bcc] = ["to", "cc", "bcc"].map(uniqueAddress);
  const { error, result, status } = await send(client, {
    template,
    recipient: { address: to, name: "Ada Lovelace" },
    template_data: { order: 7, name: "Ada" },
    sender: { address: "shop@acme.example", name: "The shop", reply_to: "help@acme.example" },
    cc: [{ address: cc }],
    bcc: [{ address: bcc }],
    headers: { "X-Order": "7" },
    tags: ["one"],
    files: [{ id: "a.txt", data: Buffer.from("text").toString("base64") }],
    inline: { id: "logo.png", data: Buffer.from("png").toString("base64") },
  });
  assert.equal(error, null);
  assert.equal(status, 200);
  assert.deepEqual([result.success, result.status], [true, "OK"]);
  assert.match(result.receipt_id, /^log_/);
  assert.deepEqual(Object.keys(result.email).sort(), ["locale", "name", "version_name"]);
  const [received] = await stage.smtp.waitFor(bcc);
  assert.equal(received.subject, "Order 7");
  assert.equal(bodyOf(received, "html"), "<p>Hello Ada</p>");
  assert.deepEqual([received.from.name, received.from.address], ["The shop", "shop@acme.example"]);
  assert.deepEqual(addressesOf(received, "to"), [to]);
  assert.deepEqual(addressesOf(received, "cc"), [cc]);
  assert.deepEqual(addressesOf(received, "replyTo"), ["help@acme.example"]);
  assert.deepEqual(attachmentsOf(received), { "a.txt": "text", "logo.png": "png" });
  const log = (await get(client, `logs/${result.receipt_id}`)).result;
  assert.equal(log.object, "log");
  assert.equal(log.id, result.receipt_id);
  assert.deepEqual([log.recipient_name, log.recipient_address], ["Ada Lovelace", to]);
});

test("the older names of the template and its data are taken too", async () => {
  const template = await stage.team.createTemplate({ subject: "Order {{ order }}", text: "Hello" });
  const to = uniqueAddress();
  const { result } = await send(clientOf(stage.team), {
    email_id: template, recipient: { address: to }, email_data: { order: 8 },
  });
  assert.equal(result.success, true, JSON.stringify(result));
  assert.equal((await stage.smtp.waitFor(to))[0].subject, "Order 8");
});

test("a batch answers each command in its order", async () => {
  const template = await stage.team.createTemplate({ subject: "Batched", text: "Hello" });
  const client = clientOf(stage.team);
  const to = uniqueAddress();
  const commands = [
    { path: "/api/v1/send", method: "POST", body: { template, recipient: { address: to } } },
    { path: "/api/v1/send", method: "POST", body: { template: "tem_unknown", recipient: { address: to } } },
    { path: `/api/v1/logs/${noId}`, method: "GET" },
    { path: "/api/v1/nowhere", method: "GET" },
  ];
  const { error, result } = await call(client, (callback) => client.batch(commands, callback));
  assert.equal(error, null);
  assert.deepEqual(result.map(({ status_code }) => status_code), [200, 400, 404, 404]);
  assert.deepEqual(result.map(({ path, method }) => [path, method]), commands.map(({ path, method }) => [path, method]));
  assert.match(result[0].body.receipt_id, /^log_/);
  await stage.smtp.waitFor(to);
});

test("resending sends the message again", async () => {
  const template = await stage.team.createTemplate({ subject: "Again", text: "Hello" });
  const client = clientOf(stage.team);
  const to = uniqueAddress("refused");
  const first = await accepted(client, template, to);
  await waitFor("bounce", async () => (await get(client, `logs/${first}`)).result.status === "bounced");
  const { error, result, status } = await call(client, (callback) => client.resend({ log_id: first }, callback));
  assert.equal(error, null);
  assert.equal(status, 200);
  assert.deepEqual([result.success, result.status], [true, "OK"]);
  assert.match(result.log_id, /^log_/);
  assert.match(result.receipt_id, /^log_/);
  assert.deepEqual(Object.keys(result.email).sort(), ["locale", "name", "version_name"]);
  assert.equal((await get(client, `customers/${to}/logs`)).result.logs.length, 2);
});

// Reading.

test("events tell the history in its order", async () => {
  const { client, ids: [id] } = await fill(stage.team, 1);
  await stage.team.waitForStatus(id, "sent");
  await stage.team.report("clicked", { emailId: id });
  const events = (await get(client, `logs/${id}/events`)).result;
  assert.deepEqual([events[0].type, events.at(-1).type], ["requested", "clicked"]);
  for (const event of events) {
    assert.deepEqual(Object.keys(event), ["object", "created", "type", "message"]);
  }
  assert.equal((await get(client, `logs/${id}`)).result.status, "clicked");
});

test("a walk has no repeat and no gap while messages arrive", async () => {
  const team = await stage.makeTeam();
  const { client, template, ids } = await fill(team, many);
  // The pages are counted from the newest, so a walk keeps to what was there when it began.
  const until = (await get(client, "logs", { count: 1 })).result[0].created;
  await waitFor("next second", () => Date.now() / 1000 >= until + 1);
  const arrivals = new Arrivals((to) => accepted(clientOf(team), template, to));
  const seen = [];
  try {
    for (let page; page === undefined || page.length === 5; seen.push(...page.map(({ id }) => id))) {
      await arrivals.waitForAnother();
      page = (await get(client, "logs", { count: 5, offset: seen.length, created_lte: until })).result;
    }
  } finally {
    await arrivals.stop();
  }
  assert.deepEqual(seen, ids);
});

// Errors.

test("a wrong key is 403", async () => {
  const client = clientOf(stage.team, "sl_not_a_key");
  for (const make of [
    (callback) => client.send({ template: "tem_x", recipient: { address: uniqueAddress() } }, callback),
    (callback) => client.resend({ log_id: noId }, callback),
    (callback) => client.batch([], callback),
  ]) {
    const { result, status } = await call(client, make);
    assert.equal(status, 403);
    assert.notEqual(result.success, true);
  }
});

test("a key may only what its scopes say", async () => {
  const template = await stage.team.createTemplate({ subject: "Scopes", text: "Hello" });
  const reading = clientOf(stage.team, (await stage.team.createKey("logs:view")).key);
  const sending = clientOf(stage.team, (await stage.team.createKey("emails:send")).key);
  const id = await accepted(sending, template, uniqueAddress());
  assert.equal((await get(reading, `logs/${id}`)).status, 200);
  const message = { template, recipient: { address: uniqueAddress() } };
  assert.equal((await send(reading, message)).status, 403);
  assert.equal((await get(sending, "logs")).status, 403);
  assert.equal((await call(reading, (callback) => reading.resend({ log_id: id }, callback))).status, 403);
});

test("wrong messages are 400, nothing is kept, and the callback says so", async () => {
  const team = await stage.makeTeam();
  const template = await team.createTemplate({ subject: "Wrong", text: "Hello" });
  const client = clientOf(team);
  for (const data of [
    {},
    { recipient: { address: uniqueAddress() } },
    { template },
    { template: "tem_unknown", recipient: { address: uniqueAddress() } },
    { template, recipient: { address: "no address" } },
    { template, recipient: "no object" },
    { template, recipient: { address: uniqueAddress() }, template_data: "no object" },
    { template, recipient: { address: uniqueAddress() }, files: [{ id: "a.txt", data: "!no base64!" }] },
  ]) {
    const { error, result, status } = await send(client, data);
    // Either JSON without success, or plain text, which the client cannot read and gives as an error.
    assert.ok(error instanceof Error || (status === 400 && result.success === false), JSON.stringify({ data, result }));
  }
  assert.equal(await team.count(), 0);
});

test("what is not there is 404, and an unknown log says so", async () => {
  const client = clientOf(stage.team);
  const { result, status } = await call(client, (callback) => client.resend({ log_id: noId }, callback));
  assert.equal(status, 404);
  assert.match(JSON.stringify(result), /No SendLog/);
  assert.equal((await call(client, (callback) => client.dripCampaignList(callback))).status, 404);
});

test("a method that a path does not have is 405", async () => {
  const client = clientOf(stage.team);
  const url = client._buildUrl("logs");
  const answer = await call(client, (callback) => client._fetch(callback).postJson(url, {}, client._getOptions()));
  assert.equal(answer.status, 405);
});

test("a body too large is refused", async () => {
  const team = await stage.makeTeam();
  const template = await team.createTemplate({ subject: "Large", text: "Hello" });
  const { result, status } = await send(clientOf(team), {
    template, recipient: { address: uniqueAddress() }, template_data: { x: "x".repeat(26 * 1024 * 1024) },
  });
  assert.equal(status, 413);
  assert.equal(result.success, false);
  assert.equal(await team.count(), 0);
});

test("a key that asks too often is 429", async () => {
  const client = clientOf(await stage.limitedTeam());
  let answer;
  for (let index = 0; index < rateLimit * 20 && (answer === undefined || answer.status === 200); index += 1) {
    answer = await get(client, "logs");
  }
  assert.equal(answer.status, 429);
  assert.equal(answer.result.success, false);
});
