// SendGrid's event webhook: signed by node:crypto as its documents say, and judged by SendGrid's own library.
// Source: Twilio SendGrid, "Getting Started with the Event Webhook Security Features".

import { createSign, generateKeyPairSync, randomUUID } from "node:crypto";
import sendgrid from "@sendgrid/eventwebhook";
import { withBody, withHeader } from "../webhook.js";

const signatureHeader = sendgrid.EventWebhookHeader.SIGNATURE().toLowerCase();
const timeHeader = sendgrid.EventWebhookHeader.TIMESTAMP().toLowerCase();

export class SendGrid {
  slug = "sendgrid";
  disagreements = {
    "signed six minutes ago": "the library asks for no age",
    "signed in six minutes": "the library asks for no age",
    "a time of words, signed": "the library asks for no age",
    "a length within the signature": "the library reads a number up to the end where it is said to go beyond it",
    "no JSON, signed": "the library does not read the body",
  };
  #keys = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  #library = new sendgrid.EventWebhook();
  #publicKey;

  constructor() {
    this.secret = this.#keys.publicKey.export({ type: "spki", format: "der" }).toString("base64");
    this.#publicKey = this.#library.convertPublicKeyToECDSA(this.secret);
  }

  /** An event about a message of its own. */
  genuine(address, chance) {
    const event = {
      email: `wren-${chance.below(1_000_000)}@finch.example`,
      event: chance.oneOf(["processed", "delivered", "open"]),
      timestamp: Math.floor(Date.now() / 1000),
      sg_event_id: randomUUID(),
      sg_message_id: `${randomUUID()}.recvd-1`,
      category: [chance.text()],
    };
    // SendGrid ends its body with a line break, which is signed.
    const body = `${JSON.stringify([event])}\r\n`;
    return this.#signed({ url: address, headers: { "content-type": "application/json" }, body: Buffer.from(body) });
  }

  isGenuine({ headers, body }) {
    try {
      return this.#library.verifySignature(this.#publicKey, body, headers[signatureHeader], headers[timeHeader]);
    } catch {
      return false;
    }
  }

  *damaged(post, chance) {
    const now = Number(post.headers[timeHeader]);
    const signature = Buffer.from(post.headers[signatureHeader], "base64");
    const having = (bytes) => withHeader(post, signatureHeader, bytes.toString("base64"));
    for (const name of [signatureHeader, timeHeader]) {
      yield [`without ${name}`, withHeader(post, name, undefined)];
      yield [`a blank ${name}`, withHeader(post, name, "")];
    }
    for (let byte = 0; byte < 6; byte += 1) {
      yield ["a byte of the body", withBody(post, chance.flipped(post.body))];
    }
    yield ["the body cut", withBody(post, post.body.subarray(0, chance.below(post.body.length)))];
    yield ["the body without its line break", withBody(post, post.body.toString().trim())];
    yield ["the body and more", withBody(post, `${post.body} `)];
    yield ["the body written anew", withBody(post, JSON.stringify(JSON.parse(post.body), null, 1))];
    yield ["no body", withBody(post, "")];
    yield ["no JSON, signed", this.#signed(withBody(post, "event=open"))];
    yield ["a second later", withHeader(post, timeHeader, String(now + 1))];
    yield ["a second earlier", withHeader(post, timeHeader, String(now - 1))];
    yield ["a time of words", withHeader(post, timeHeader, "noon")];
    yield ["a time of words, signed", this.#signed(post, { at: "noon" })];
    yield ["signed six minutes ago", this.#signed(post, { at: now - 360 })];
    yield ["signed in six minutes", this.#signed(post, { at: now + 360 })];
    yield ["the time not signed", this.#signed(post, { at: now, signedAt: "" })];
    yield ["by another key", new SendGrid().#signed(post)];
    yield ["by SHA-384", this.#signed(post, { hash: "sha384" })];
    yield ["the signature as two numbers", this.#signed(post, { dsaEncoding: "ieee-p1363" })];
    for (let bit = 0; bit < 4; bit += 1) {
      yield ["a bit of the signature", having(numbersFlipped(signature, chance))];
    }
    yield ["a length within the signature", having(overlong(signature))];
    yield ["the signature cut", having(signature.subarray(0, signature.length - 1 - chance.below(20)))];
    yield ["a signature of nothing", having(Buffer.alloc(64))];
    yield ["no base64", withHeader(post, signatureHeader, "no signature!")];
  }

  #signed(post, { at = Math.floor(Date.now() / 1000), signedAt = at, hash = "sha256", dsaEncoding = "der" } = {}) {
    const signer = createSign(hash).update(String(signedAt)).update(post.body);
    const signature = signer.sign({ key: this.#keys.privateKey, dsaEncoding }, "base64");
    return withHeader(withHeader(post, signatureHeader, signature), timeHeader, String(at));
  }
}

/** A signature with a bit of one of its two numbers turned. In DER, each has a tag and a length before it. */
function numbersFlipped(signature, chance) {
  const second = 4 + signature[3];
  const [from, to] = chance.oneOf([
    [5, second],
    [second + 3, signature.length],
  ]);
  return Buffer.concat([
    signature.subarray(0, from),
    chance.flipped(signature.subarray(from, to)),
    signature.subarray(to),
  ]);
}

/** A signature whose second number is said to be longer than it is. */
function overlong(signature) {
  const other = Buffer.from(signature);
  other[5 + signature[3]] += 4;
  return other;
}
