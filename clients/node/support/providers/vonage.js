// Vonage's signed webhooks: tokens made by the library that Vonage's own works by, and judged by Vonage's own. That the
// token is about the body, the application has to check, as Vonage's documents say. Source: Vonage, "Signed Webhooks".

import { createHash, randomBytes, randomUUID } from "node:crypto";
import { verifySignature } from "@vonage/jwt";
import jsonwebtoken from "jsonwebtoken";
import { withBody, withHeader } from "../webhook.js";

export class Vonage {
  slug = "vonage";
  secret = randomBytes(24).toString("hex");
  disagreements = {
    "issued six minutes ago": "the library asks for no age",
    "issued in six minutes": "the library asks for no age",
    "no time of issue": "the library asks for no age",
    "no JSON, signed": "the library does not read the body",
  };

  /** A status of a message of its own. */
  genuine(address, chance) {
    const status = {
      message_uuid: randomUUID(),
      to: "4915550100",
      from: "Finch",
      timestamp: new Date().toISOString(),
      status: chance.oneOf(["submitted", "delivered", "read"]),
      channel: "sms",
      client_ref: chance.text(),
    };
    const headers = { "content-type": "application/json" };
    return this.#signed({ url: address, headers, body: JSON.stringify(status) });
  }

  isGenuine({ headers, body }) {
    const [, token] = headers.authorization?.match(/^bearer (.+)$/i) ?? [];
    const isSigned = token !== undefined && verifySignature(token, this.secret);
    return isSigned && jsonwebtoken.decode(token).payload_hash === digest(body);
  }

  *damaged(post, chance) {
    const token = post.headers.authorization.slice("Bearer ".length);
    const [header, claims, signature] = token.split(".");
    const now = Math.floor(Date.now() / 1000);
    const having = (value) => withHeader(post, "authorization", value);
    const parts = (...several) => having(`Bearer ${several.join(".")}`);
    const claiming = (more, options) => this.#signed(post, { claims: more, ...options });
    const bits = Buffer.from(signature, "base64url");
    const none = part({ alg: "none", typ: "JWT" });
    yield ["without a token", having(undefined)];
    yield ["a blank token", having("Bearer ")];
    yield ["a token without a scheme", having(token)];
    yield ["another scheme", having(`Basic ${token}`)];
    yield ["the scheme in small letters", this.#signed(post, { scheme: "bearer" })];
    for (let byte = 0; byte < 6; byte += 1) {
      yield ["a byte of the body", withBody(post, chance.flipped(post.body))];
    }
    yield ["the body cut", withBody(post, post.body.subarray(0, chance.below(post.body.length)))];
    yield ["the body and more", withBody(post, `${post.body}\n`)];
    yield ["no body", withBody(post, "")];
    yield ["no JSON, signed", this.#signed(withBody(post, "{"))];
    yield ["a bit of the signature", parts(header, claims, chance.flipped(bits).toString("base64url"))];
    yield ["the signature cut", parts(header, claims, bits.subarray(0, 20).toString("base64url"))];
    yield ["no signature", parts(header, claims, "")];
    yield ["two parts", parts(header, claims)];
    yield ["four parts", parts(header, claims, signature, signature)];
    yield ["other claims", parts(header, part({ ...jsonwebtoken.decode(token), jti: "other" }), signature)];
    yield ["the algorithm none", parts(none, claims, "")];
    yield ["the algorithm none with a signature", parts(none, claims, signature)];
    yield ["by another secret", this.#signed(post, { secret: randomBytes(24).toString("hex") })];
    yield ["by HS384", this.#signed(post, { algorithm: "HS384" })];
    yield ["by HS512", this.#signed(post, { algorithm: "HS512" })];
    yield ["issued six minutes ago", claiming({ iat: now - 360 })];
    yield ["issued in six minutes", claiming({ iat: now + 360 })];
    yield ["no time of issue", claiming({}, { noTimestamp: true })];
    yield ["run out", claiming({ exp: now - 1 })];
    yield ["runs out in a minute", claiming({ exp: now + 60 })];
    yield ["not valid before tomorrow", claiming({ nbf: now + 86_400 })];
    yield ["the digest of another body", claiming({ payload_hash: digest("{}") })];
    yield ["no digest", claiming({ payload_hash: undefined })];
    yield ["a blank digest", claiming({ payload_hash: "" })];
  }

  #signed(post, { claims = {}, secret = this.secret, scheme = "Bearer", ...options } = {}) {
    const body = Buffer.from(post.body);
    const told = { jti: randomUUID(), iss: "Vonage", payload_hash: digest(body), api_key: "abcd1234", ...claims };
    const kept = Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined));
    const token = jsonwebtoken.sign(kept, secret, { algorithm: "HS256", ...options });
    return withHeader({ ...post, body }, "authorization", `${scheme} ${token}`);
  }
}

function digest(body) {
  return createHash("sha256").update(body).digest("hex");
}

function part(object) {
  return Buffer.from(JSON.stringify(object)).toString("base64url");
}
