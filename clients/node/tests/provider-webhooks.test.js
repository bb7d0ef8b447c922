// Providers' webhooks, held against what the providers publish to check them by: what a provider's library signs is
// recorded, and what is damaged is refused by the library and by Sendlog alike, but where a provider's file says why
// not.
//
// SEED=… repeats a run with other chance.

import assert from "node:assert/strict";
import https from "node:https";
import { after, test } from "node:test";
import { Sns, host } from "../support/amazon.js";
import { Chance } from "../support/chance.js";
import { Mailgun } from "../support/providers/mailgun.js";
import { bySvix, byStandardWebhooks } from "../support/providers/resend.js";
import { SendGrid } from "../support/providers/sendgrid.js";
import { AmazonSes } from "../support/providers/ses.js";
import { Twilio } from "../support/providers/twilio.js";
import { Vonage } from "../support/providers/vonage.js";
import { setStage } from "../support/stage.js";
import { Webhook, send } from "../support/webhook.js";

const seed = Number(process.env.SEED ?? 20260301);
const genuinePosts = 12;
const damagedPosts = 5;

let sns;
const stage = setStage({
  environment: async () => {
    sns = await Sns.start();
    https.globalAgent = sns.agent;
    return sns.environment;
  },
});
after(() => sns?.stop());

const providers = {
  svix: bySvix,
  standardwebhooks: byStandardWebhooks,
  "@sendgrid/eventwebhook": () => new SendGrid(),
  "sns-validator": () => new AmazonSes(sns),
  twilio: () => new Twilio(),
  "@vonage/jwt": () => new Vonage(),
  "Mailgun's documents": () => new Mailgun(),
};

for (const [library, make] of Object.entries(providers)) {
  test(`what ${library} takes is recorded, and what it refuses is refused`, async ({ mock }) => {
    // Twilio's library warns of algorithms that it does not know.
    mock.method(console, "warn", () => {});
    const chance = new Chance(seed);
    const team = await stage.makeTeam();
    const provider = make();
    const webhook = await Webhook.create(await team.logIn(), provider.slug, provider.secret);
    for (let number = 1; number <= genuinePosts; number += 1) {
      const post = provider.genuine(webhook.address, chance);
      assert.ok(await provider.isGenuine(post), describe("genuine", post));
      assert.deepEqual(await send(post), { status: 200, text: "recorded\n" }, describe("genuine", post));
      assert.equal(await team.count(), number);
    }
    const [refused, taken] = await judged(provider, webhook.address, chance);
    assert.ok(refused.length >= 100, `${refused.length} posts`);
    for (const [name, post] of refused) {
      const { status, text } = await send(post);
      assert.ok([400, 401, 403].includes(status), `${status} ${text} ${describe(name, post)}`);
    }
    assert.equal(await webhook.recorded(), genuinePosts);
    assert.equal(await team.count(), genuinePosts);
    for (const [name, post] of taken) {
      assert.equal((await send(post)).status, 200, describe(name, post));
    }
  });
}

test("Amazon alone is asked, and a subscription is confirmed there for an allowed topic alone", async () => {
  const team = await stage.makeTeam();
  const provider = providers["sns-validator"]();
  const webhook = await Webhook.create(await team.logIn(), provider.slug, provider.secret);
  const asked = sns.asked.length;
  const elsewhere = ["https://evil.example/", `https://${host}.evil.example/`, `http://${host}/`];
  for (const post of provider.confirmations(webhook.address, elsewhere)) {
    assert.ok(await provider.isGenuine(post), describe("a confirmation elsewhere", post));
    await send(post);
  }
  assert.deepEqual(confirmed(sns.asked.slice(asked)), []);
  const [post] = provider.confirmations(webhook.address, [`https://${host}/`]);
  assert.deepEqual(await send(post), { status: 200, text: "recorded\n" });
  assert.deepEqual(confirmed(sns.asked.slice(asked)), [`${host}/${provider.confirmationQuery}`]);
  assert.deepEqual([...new Set(sns.reached)], [`${host}:443`]);
});

function confirmed(asked) {
  return asked.filter((one) => one.includes("ConfirmSubscription"));
}

/**
 * Damaged posts, those that Sendlog has to refuse and those that it has to take: it agrees with the library but where
 * the provider's file says that it does not.
 */
async function judged(provider, address, chance) {
  const damaged = () => [...provider.damaged(provider.genuine(address, chance), chance)];
  const posts = Array.from({ length: damagedPosts }, damaged).flat();
  const names = new Set(posts.map(([name]) => name));
  assert.deepEqual(
    Object.keys(provider.disagreements).filter((name) => !names.has(name)),
    [],
  );
  const refused = [];
  const taken = [];
  for (const [name, post] of posts) {
    const isTaken = (await provider.isGenuine(post)) !== name in provider.disagreements;
    (isTaken ? taken : refused).push([name, post]);
  }
  return [refused, taken];
}

function describe(name, post) {
  return `SEED=${seed} ${name}: ${JSON.stringify({ ...post, body: post.body.toString() })}`;
}
