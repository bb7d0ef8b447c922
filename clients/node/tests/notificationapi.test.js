// NotificationAPI's dialect, driven by npm `notificationapi-node-server-sdk`, which takes the base URL as an option of
// `init`. It throws axios's error on every status that is not 2xx, after it has printed it.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, mock, test } from "node:test";
import notificationapi, { Channels, PushProviders } from "notificationapi-node-server-sdk";
import { rateLimit, setStage } from "../support/stage.js";
import { addressesOf, attachmentsOf, bodyOf } from "../support/targets.js";
import { Arrivals, uniqueAddress } from "../support/team.js";
import { waitFor } from "../support/waiting.js";

const stage = setStage();

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const many = 12;
const noId = "00000000-0000-7000-8000-000000000000";

beforeEach(() => {
  // The client prints every error and every warning.
  mock.method(console, "error", () => {});
  mock.method(console, "log", () => {});
  use(stage.team);
});

afterEach(() => mock.restoreAll());

/** Sets the client up with a team's key, or another one; its settings are global. */
function use(team, { id, key } = team.key, baseURL = team.sendlog.prefixedUrl("notificationapi")) {
  notificationapi.init(id, key, { baseURL });
}

async function sent(request) {
  const { status, data } = await notificationapi.send(request);
  assert.equal(status, 200, JSON.stringify(data));
  return data.trackingId;
}

async function listed(filters = {}) {
  return (await notificationapi.queryLogs(filters)).data.logs;
}

async function assertRefused(call, ...statuses) {
  await assert.rejects(call, (error) => {
    assert.ok(statuses.includes(error.response?.status), `${error.message}: ${JSON.stringify(error.response?.data)}`);
    assert.match(error.response.headers["content-type"], /^application\/json/);
    return true;
  });
}

function mail(to, fields = {}) {
  return {
    type: "order_shipped",
    to: { id: `user-${to}`, email: to },
    email: { subject: "Order {{ order }}", html: "<p>Hello {{ name }}</p>" },
    parameters: { order: 7, name: "Ada" },
    ...fields,
  };
}

function inHours(hours) {
  return new Date(Date.now() + hours * 3_600_000).toISOString();
}

/** A user whom every channel reaches. */
function everyWay() {
  const token = randomUUID();
  return {
    id: `user-${token}`,
    email: uniqueAddress(),
    number: "+15005550006",
    pushTokens: [{ type: PushProviders.FCM, token, device: { device_id: "device" } }],
    webPushTokens: [{ sub: { endpoint: `https://push.example/${token}`, keys: { p256dh: "p", auth: "a" } } }],
  };
}

// Sending.

for (const where of ["prefixedUrl", "ownUrl"]) {
  test(`an email is sent and found, at the ${where}`, async () => {
    use(stage.team, stage.team.key, stage.sendlog[where]("notificationapi"));
    const to = uniqueAddress();
    const { status, data } = await notificationapi.send(mail(to));
    assert.equal(status, 200);
    assert.match(data.trackingId, uuid);
    assert.ok(Array.isArray(data.messages));
    const [received] = await stage.smtp.waitFor(to);
    assert.deepEqual([received.subject, bodyOf(received, "html")], ["Order 7", "<p>Hello Ada</p>"]);
    const [log] = await listed({ trackingIds: [data.trackingId] });
    assert.equal(log.trackingId, data.trackingId);
    assert.equal(log.notificationId, "order_shipped");
  });
}

test("the older body sends alike", async () => {
  const to = uniqueAddress();
  await sent({
    notificationId: "order_shipped",
    user: { id: `user-${to}`, email: to },
    mergeTags: { order: 8, name: "Bob" },
    email: { subject: "Order {{ order }}", html: "<p>Hello {{ name }}</p>" },
  });
  assert.equal((await stage.smtp.waitFor(to))[0].subject, "Order 8");
});

test("a template is filled in, with the options of the email", async () => {
  const templateId = await stage.team.createTemplate({ subject: "Hi {{ name }}", html: "<p>{{ order }}</p>" });
  const [to, cc, bcc] = ["to", "cc", "bcc"].map(uniqueAddress);
  const email = {
    replyToAddresses: ["help@acme.example"],
    ccAddresses: [cc],
    bccAddresses: [bcc],
    fromName: "The shop",
    fromAddress: "shop@acme.example",
    attachments: [{ filename: "a.txt", content: Buffer.from("text").toString("base64"), contentType: "text/plain" }],
  };
  await sent(mail(to, { templateId, email: undefined, options: { email } }));
  const [received] = await stage.smtp.waitFor(bcc);
  assert.deepEqual([received.subject, bodyOf(received, "html")], ["Hi Ada", "<p>7</p>"]);
  assert.deepEqual([received.from.name, received.from.address], ["The shop", "shop@acme.example"]);
  assert.deepEqual(addressesOf(received, "cc"), [cc]);
  assert.deepEqual(addressesOf(received, "replyTo"), ["help@acme.example"]);
  assert.deepEqual(attachmentsOf(received), { "a.txt": "text" });
});

for (const [channel, content] of [
  [Channels.SMS, { sms: { message: "Text {{ word }}" } }],
  [Channels.CALL, { call: { message: "Call {{ word }}" } }],
  [Channels.INAPP_WEB, { inapp: { title: "In-app {{ word }}" } }],
  [Channels.PUSH, { mobile_push: { title: "Push", message: "Push {{ word }}" } }],
  [Channels.WEB_PUSH, { web_push: { title: "Web push", message: "Web {{ word }}" } }],
]) {
  test(`${channel} goes to the HTTP adapter`, async () => {
    const word = randomUUID();
    const trackingId = await sent({
      type: "alert", to: everyWay(), parameters: { word }, forceChannels: [channel], ...content,
    });
    await stage.http.waitFor(word);
    const [log] = await listed({ trackingIds: [trackingId] });
    assert.deepEqual(channelsOf(log), [channel]);
  });
}

test("a channel without an address is left out with a warning", async () => {
  const { status, data } = await notificationapi.send({ ...mail(uniqueAddress()), to: { id: "no-address" } });
  assert.equal(status, 202);
  assert.ok(data.messages.length > 0);
  assert.equal(console.log.mock.calls.length, 1);
});

test("a scheduled notification waits, can be moved and taken back", async () => {
  const to = uniqueAddress();
  const trackingId = await sent(mail(to, { schedule: inHours(1) }));
  const [log] = await listed({ trackingIds: [trackingId] });
  assert.equal(stateOf(log), "received");
  assert.equal((await notificationapi.updateSchedule(trackingId, { schedule: inHours(5) })).status, 200);
  assert.ok((await listed({ trackingIds: [trackingId] }))[0].schedule > log.schedule);
  assert.equal((await notificationapi.deleteSchedule(trackingId)).status, 200);
  assert.deepEqual(stage.smtp.to(to), []);
  await assertRefused(notificationapi.deleteSchedule(trackingId), 409);
  await assertRefused(notificationapi.deleteSchedule(noId), 404);
});

test("what has not gone out can be retracted", async () => {
  const to = uniqueAddress();
  await sent(mail(to, { schedule: inHours(1) }));
  const retraction = { notificationId: "order_shipped", userId: `user-${to}` };
  assert.equal((await notificationapi.retract(retraction)).status, 200);
  assert.equal((await notificationapi.retract(retraction)).status, 202);
});

// Reading.

test("a notification is received, then success or failure", async () => {
  const to = uniqueAddress();
  const good = await sent(mail(to));
  const { id } = await stage.team.findTo(to);
  await stage.team.waitForStatus(id, "sent");
  await stage.team.report("delivered", { emailId: id });
  assert.equal(stateOf((await listed({ trackingIds: [good] }))[0]), "success");
  const bad = await sent(mail(uniqueAddress("refused")));
  await waitFor("failure", async () => stateOf((await listed({ trackingIds: [bad] }))[0]) === "failure");
});

test("filters find the notification and nothing else", async () => {
  const team = await stage.makeTeam();
  use(team);
  const to = uniqueAddress();
  const startTime = Date.now() - 1000;
  await sent(mail(uniqueAddress(), { type: "other" }));
  const trackingId = await sent(mail(to));
  const endTime = Date.now() + 1000;
  for (const filters of [
    { trackingIds: [trackingId] },
    { notificationFilter: ["order_shipped"] },
    { userFilter: [`user-${to}`], channelFilter: [Channels.EMAIL] },
    { userFilter: [`user-${to}`], dateRangeFilter: { startTime, endTime } },
  ]) {
    const found = (await listed(filters)).map((log) => log.trackingId);
    assert.deepEqual(found, [trackingId], JSON.stringify(filters));
  }
  for (const filters of [{ channelFilter: [Channels.SMS] }, { userFilter: ["nobody"] }, { dateRangeFilter: { startTime: endTime } }]) {
    assert.deepEqual(await listed(filters), [], JSON.stringify(filters));
  }
});

test("a walk by cursor has no repeat and no gap while notifications arrive", async () => {
  const team = await stage.makeTeam();
  use(team);
  const before = [];
  for (let index = 0; index < many; index += 1) {
    before.unshift(await sent(mail(uniqueAddress())));
  }
  const arrivals = new Arrivals((to) => sent(mail(to)));
  const seen = [];
  try {
    for (let cursor; cursor !== null; ) {
      await arrivals.waitForAnother();
      const { data } = await notificationapi.queryLogs({ limit: 5, cursor });
      seen.push(...data.logs.map((log) => log.trackingId));
      cursor = data.cursor;
    }
  } finally {
    await arrivals.stop();
  }
  assert.equal(new Set(seen).size, seen.length, "a notification came twice");
  assert.deepEqual(seen.filter((id) => before.includes(id)), before, "one is missing or out of order");
});

test("a walk by time has no repeat and no gap while notifications arrive", async () => {
  const team = await stage.makeTeam();
  use(team);
  // The client's types know no pages: it walks by asking for an earlier and earlier range.
  const before = [];
  const marks = [Date.now()];
  for (let index = 0; index < many; index += 1) {
    before.unshift(await sent(mail(uniqueAddress())));
    await waitFor("next millisecond", () => Date.now() > marks.at(-1));
    marks.push(Date.now());
  }
  const arrivals = new Arrivals((to) => sent(mail(to)));
  const seen = [];
  try {
    for (let index = many; index > 0; index -= 1) {
      await arrivals.waitForAnother();
      const range = { startTime: marks[index - 1], endTime: marks[index] - 1 };
      seen.push(...(await listed({ dateRangeFilter: range })).map((log) => log.trackingId));
    }
  } finally {
    await arrivals.stop();
  }
  assert.deepEqual(seen, before);
});

// Errors.

test("the client refuses to be made without credentials", () => {
  assert.throws(() => notificationapi.init("", "secret"), (thrown) => thrown === "Bad clientId");
  assert.throws(() => notificationapi.init("id", ""), (thrown) => thrown === "Bad clientSecret");
});

test("wrong credentials are refused", async () => {
  const { id, key } = stage.team.key;
  for (const wrong of [{ id, key: "sl_not_a_key" }, { id: "key_0000000000000", key }]) {
    use(stage.team, wrong);
    await assertRefused(notificationapi.send(mail(uniqueAddress())), 401, 403);
    await assertRefused(notificationapi.queryLogs({}), 401, 403);
  }
});

test("a key may only what its scopes say", async () => {
  use(stage.team, await stage.team.createKey("logs:view"));
  await assertRefused(notificationapi.send(mail(uniqueAddress())), 403);
  assert.equal((await notificationapi.queryLogs({})).status, 200);
  use(stage.team, await stage.team.createKey("emails:send"));
  await assertRefused(notificationapi.queryLogs({}), 403);
  await sent(mail(uniqueAddress()));
});

test("wrong requests are 400 and nothing is kept", async () => {
  const team = await stage.makeTeam();
  use(team);
  for (const request of [
    {},
    { type: "order_shipped" },
    { to: { id: "user", email: uniqueAddress() } },
    mail("no address"),
    { ...mail(uniqueAddress()), to: "user" },
    { ...mail(uniqueAddress()), type: 7 },
    { ...mail(uniqueAddress()), forceChannels: ["PIGEON"] },
    { ...mail(uniqueAddress()), schedule: "no time" },
  ]) {
    await assertRefused(notificationapi.send(request), 400);
  }
  for (const filters of [{ channelFilter: ["PIGEON"] }, { dateRangeFilter: 7 }, { trackingIds: "no list" }]) {
    await assertRefused(notificationapi.queryLogs(filters), 400);
  }
  assert.equal(await team.count(), 0);
});

test("what is not there is 404 and a wrong method 405", async () => {
  await assertRefused(notificationapi.deleteSubNotification({ notificationId: "n", subNotificationId: "s" }), 404);
  await assertRefused(notificationapi.request("GET", "sender"), 405);
});

test("a body too large is refused", async () => {
  const team = await stage.makeTeam();
  use(team);
  const large = mail(uniqueAddress(), { parameters: { x: "x".repeat(26 * 1024 * 1024) } });
  await assertRefused(notificationapi.send(large), 413);
  assert.equal(await team.count(), 0);
});

test("a key that asks too often is 429", async () => {
  use(await stage.limitedTeam());
  const asking = async () => {
    for (let index = 0; index < rateLimit * 20; index += 1) {
      await notificationapi.queryLogs({});
    }
  };
  await assertRefused(asking(), 429);
});

/** One of the document's states: received, success, failure. */
function stateOf(log) {
  return log.state;
}

function channelsOf(log) {
  return log.channels.map(({ channel }) => channel);
}
