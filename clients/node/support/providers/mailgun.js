// Mailgun's webhooks: signed and judged by node:crypto as Mailgun's documents say. Mailgun publishes nothing that checks
// them: its client `mailgun.js` sets webhooks up, and no more. Source: Mailgun, "Securing Webhooks".

import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { withBody } from "../webhook.js";

export class Mailgun {
  slug = "mailgun";
  secret = randomBytes(16).toString("hex");
  disagreements = {
    "the signature in capitals": "Sendlog compares the bytes, the documents the letters",
    "signed ten hours ago": "the documents name no age",
    "signed in ten minutes": "the documents name no age",
    "a time of words, signed": "the documents name no age",
    "no event": "the signature is about no event",
  };

  /** An event about a message of its own. */
  genuine(address, chance) {
    const event = {
      event: chance.oneOf(["delivered", "opened"]),
      id: randomUUID(),
      timestamp: Date.now() / 1000,
      recipient: `wren-${chance.below(1_000_000)}@finch.example`,
      tags: [chance.text()],
      message: { headers: { "message-id": `${randomUUID()}@mg.finch.example`, subject: chance.text() } },
    };
    const post = { url: address, headers: { "content-type": "application/json" } };
    return { ...post, body: Buffer.from(JSON.stringify({ signature: this.#signature(), "event-data": event })) };
  }

  isGenuine({ body }) {
    try {
      const { timestamp, token, signature } = JSON.parse(body).signature;
      return signature === this.#tag({ timestamp, token });
    } catch {
      return false;
    }
  }

  *damaged(post, chance) {
    const { "event-data": event } = JSON.parse(post.body);
    const now = Math.floor(Date.now() / 1000);
    // A token serves once, so that each post has one of its own.
    const having = (change, more = { "event-data": event }) => {
      const signature = this.#signature();
      return withBody(post, JSON.stringify({ signature: { ...signature, ...change(signature) }, ...more }));
    };
    const signed = (fields) => having(() => this.#signature(fields));
    const tagged = (change) => having(({ signature, ...rest }) => ({ signature: change(Buffer.from(signature, "hex"), rest) }));
    for (const name of ["timestamp", "token", "signature"]) {
      yield [`without ${name}`, having(() => ({ [name]: undefined }))];
      yield [`a blank ${name}`, having(() => ({ [name]: "" }))];
      yield [`null for ${name}`, having(() => ({ [name]: null }))];
    }
    yield ["without a signature", withBody(post, JSON.stringify({ "event-data": event }))];
    yield ["no JSON", withBody(post, "event=delivered")];
    yield ["no body", withBody(post, "")];
    yield ["the body cut", withBody(post, post.body.subarray(0, chance.below(post.body.length)))];
    yield ["no event", having(() => ({}), {})];
    yield ["another event", having(() => ({}), { "event-data": { ...event, id: randomUUID() } })];
    yield ["another token", having(() => ({ token: randomBytes(25).toString("hex") }))];
    yield ["a second later", having(({ timestamp }) => ({ timestamp: String(Number(timestamp) + 1) }))];
    yield ["a second earlier", having(({ timestamp }) => ({ timestamp: String(Number(timestamp) - 1) }))];
    yield ["signed ten hours ago", signed({ timestamp: String(now - 36_000) })];
    yield ["signed in ten minutes", signed({ timestamp: String(now + 600) })];
    yield ["a time of words, signed", signed({ timestamp: "noon" })];
    yield ["a bit of the signature", tagged((bytes) => chance.flipped(bytes).toString("hex"))];
    yield ["the signature cut", tagged((bytes) => bytes.toString("hex", 0, 16))];
    yield ["the signature in base64", tagged((bytes) => bytes.toString("base64"))];
    yield ["the signature in capitals", tagged((bytes) => bytes.toString("hex").toUpperCase())];
    yield ["by another key", having((fields) => ({ signature: this.#tag(fields, { key: "another" }) }))];
    yield ["by SHA-1", having((fields) => ({ signature: this.#tag(fields, { hash: "sha1" }) }))];
    yield ["by SHA-512", having((fields) => ({ signature: this.#tag(fields, { hash: "sha512" }) }))];
  }

  #signature({ timestamp = String(Math.floor(Date.now() / 1000)) } = {}) {
    const fields = { timestamp, token: randomBytes(25).toString("hex") };
    return { ...fields, signature: this.#tag(fields) };
  }

  #tag({ timestamp, token }, { key = this.secret, hash = "sha256" } = {}) {
    return createHmac(hash, key).update(`${timestamp}${token}`).digest("hex");
  }
}
