// Resend's webhooks, signed and judged by Svix's own library, or by that of Standard Webhooks under its names of
// headers. Source: Standard Webhooks, specification, "Verifying webhook authenticity".

import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { Webhook as StandardWebhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";
import { withBody, withHeader } from "../webhook.js";

export const bySvix = () => new Resend("svix", SvixWebhook);
export const byStandardWebhooks = () => new Resend("webhook", StandardWebhook);

class Resend {
  slug = "resend";
  disagreements = {
    "a time with a fraction": "the library signs what it reads of the time, Sendlog what was sent",
    "a time with a plus": "the library signs what it reads of the time, Sendlog what was sent",
    "a time with words behind it": "the library signs what it reads of the time, Sendlog what was sent",
    "a comma behind the signature": "the library reads up to the second comma",
    "the signature without padding": "Sendlog compares the bytes, the library the letters",
    "the right signature behind many": "Sendlog reads 32 signatures",
  };
  #family;
  #Webhook;
  #signer;

  constructor(family, Webhook) {
    this.#family = family;
    this.#Webhook = Webhook;
    this.secret = newSecret();
    this.#signer = new Webhook(this.secret);
    if (family === "svix") {
      this.disagreements["names of both families"] = "Sendlog wants one family whole";
    } else {
      this.disagreements["an empty body, signed"] = "the library asks for no JSON there";
    }
  }

  /** An event about a message of its own. */
  genuine(address, chance) {
    const data = {
      email_id: randomUUID(),
      from: "Finch <nest@finch.example>",
      to: [`wren-${chance.below(1_000_000)}@finch.example`],
      subject: chance.text(),
    };
    const type = `email.${chance.oneOf(["sent", "delivered", "opened"])}`;
    const body = JSON.stringify({ type, created_at: new Date().toISOString(), data });
    return this.#signed({ url: address, headers: { "content-type": "application/json" }, body });
  }

  isGenuine({ headers, body }) {
    try {
      this.#signer.verify(body, headers);
      return true;
    } catch {
      return false;
    }
  }

  *damaged(post, chance) {
    const [id, time, signature] = ["id", "timestamp", "signature"].map((name) => `${this.#family}-${name}`);
    const [now, tag] = [Number(post.headers[time]), post.headers[signature]];
    for (const name of [id, time, signature]) {
      yield [`without ${name}`, withHeader(post, name, undefined)];
      yield [`a blank ${name}`, withHeader(post, name, "")];
    }
    for (let byte = 0; byte < 8; byte += 1) {
      yield ["a byte of the body", withBody(post, chance.flipped(post.body))];
    }
    yield ["the body cut", withBody(post, post.body.subarray(0, chance.below(post.body.length)))];
    yield ["the body and more", withBody(post, `${post.body} `)];
    yield ["no body", withBody(post, "")];
    yield ["an empty body, signed", this.#signed(withBody(post, ""))];
    yield ["no JSON, signed", this.#signed(withBody(post, "type=email.sent"))];
    yield ["another id", withHeader(post, id, `msg_${randomUUID()}`)];
    yield ["a second later", withHeader(post, time, String(now + 1))];
    yield ["a second earlier", withHeader(post, time, String(now - 1))];
    yield ["no time", withHeader(post, time, "noon")];
    yield ["a time with a fraction", withHeader(post, time, `${now}.5`)];
    yield ["a time with a plus", withHeader(post, time, `+${now}`)];
    yield ["a time with words behind it", withHeader(post, time, `${now} seconds`)];
    for (const seconds of [-86_400, -360, -290, 290, 360, 86_400]) {
      yield [`signed ${seconds} seconds away`, this.#signed(post, { at: now + seconds })];
    }
    yield ["by another key", this.#signed(post, { by: new this.#Webhook(newSecret()) })];
    const bytes = Buffer.from(tag.slice(3), "base64");
    yield ["a bit of the signature", withHeader(post, signature, `v1,${chance.flipped(bytes).toString("base64")}`)];
    yield ["the signature cut", withHeader(post, signature, `v1,${bytes.subarray(0, 16).toString("base64")}`)];
    yield ["the signature in hexadecimal", withHeader(post, signature, `v1,${bytes.toString("hex")}`)];
    yield ["the signature without padding", withHeader(post, signature, tag.replace(/=+$/, ""))];
    yield ["the signature without version", withHeader(post, signature, tag.slice(3))];
    yield ["another version", withHeader(post, signature, tag.replace("v1,", "v2,"))];
    yield ["a version of other letters", withHeader(post, signature, tag.replace("v1,", "V1,"))];
    yield ["a comma behind the signature", withHeader(post, signature, `${tag},`)];
    yield ["by SHA-1", withHeader(post, signature, `v1,${this.#tag("sha1", post)}`)];
    yield ["by SHA-512", withHeader(post, signature, `v1,${this.#tag("sha512", post)}`)];
    const wrong = `v1,${randomBytes(32).toString("base64")}`;
    yield ["several wrong signatures", withHeader(post, signature, `${wrong} ${wrong}`)];
    yield ["the right signature behind others", withHeader(post, signature, `v2,AAAA v1a,AAAA ${wrong} ${tag}`)];
    yield ["the right signature behind many", withHeader(post, signature, `${`${wrong} `.repeat(40)}${tag}`)];
    if (this.#family === "svix") {
      yield ["names of both families", withHeader(withHeader(post, id, undefined), "webhook-id", post.headers[id])];
    }
  }

  #signed(post, { at = Math.floor(Date.now() / 1000), by = this.#signer, id = `msg_${randomUUID()}` } = {}) {
    const body = Buffer.from(post.body);
    const headers = {
      [`${this.#family}-id`]: id,
      [`${this.#family}-timestamp`]: String(at),
      [`${this.#family}-signature`]: by.sign(id, new Date(at * 1000), body.toString()),
    };
    return { ...post, headers: { ...post.headers, ...headers }, body };
  }

  #tag(algorithm, { headers, body }) {
    const content = `${headers[`${this.#family}-id`]}.${headers[`${this.#family}-timestamp`]}.${body}`;
    return createHmac(algorithm, Buffer.from(this.secret.slice(6), "base64"))
      .update(content)
      .digest("base64");
  }
}

function newSecret() {
  return `whsec_${randomBytes(24).toString("base64")}`;
}
