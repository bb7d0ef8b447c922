// Twilio's status callbacks, signed and judged by Twilio's own library. Source: Twilio, "Webhooks Security".

import { randomBytes, randomUUID } from "node:crypto";
import webhooks from "twilio/lib/webhooks/webhooks.js";
import { withBody, withHeader } from "../webhook.js";

const signatureHeader = "x-twilio-signature";
const settingsHeader = "x-twilio-webhooks-signature-settings";

export class Twilio {
  slug = "twilio";
  secret = randomBytes(16).toString("hex");
  disagreements = {};

  /** A callback about a message of its own, in one of the ways in which Twilio signs. */
  genuine(address, chance) {
    return chance.oneOf([
      () => this.#form(address, chance),
      () => this.#form(`${address}?nest=${encodeURIComponent(chance.text())}&b=&a=1`, chance),
      () => this.#form(address, chance, { algorithm: webhooks.HMAC_SHA256 }),
      () => this.#form(address, chance, { signedUrl: address.replace(/:\d+\//, "/") }),
      () => this.#json(address, chance),
    ])();
  }

  isGenuine({ url, headers, body }) {
    const algorithm = webhooks.getSignatureAlgorithm(headers[settingsHeader]);
    const signature = headers[signatureHeader] ?? "";
    return url.includes("bodySHA256")
      ? webhooks.validateRequestWithBody(this.secret, signature, url, body.toString(), algorithm)
      : webhooks.validateRequest(this.secret, signature, url, fieldsOf(body), algorithm);
  }

  *damaged(post, chance) {
    const signature = Buffer.from(post.headers[signatureHeader], "base64");
    const having = (value) => withHeader(post, signatureHeader, value);
    yield ["without a signature", having(undefined)];
    yield ["a blank signature", having("")];
    yield ["a bit of the signature", having(chance.flipped(signature).toString("base64"))];
    yield ["the signature cut", having(signature.subarray(0, 12).toString("base64"))];
    yield ["the signature in hexadecimal", having(signature.toString("hex"))];
    yield ["no base64", having("no signature!")];
    yield ["by another token", having(this.#signature(post, { token: randomBytes(16).toString("hex") }))];
    const settings = post.headers[settingsHeader];
    const setting = (value) => withHeader(post, settingsHeader, value);
    yield ["another algorithm", setting(`algorithm=${settings ? "HMAC_SHA1" : "HMAC_SHA256"}`)];
    yield ["an algorithm that nobody knows", setting("key=1,algorithm=HMAC_MD5")];
    yield ["the algorithm in small letters", setting(settings?.toLowerCase())];
    const border = post.url.includes("?") ? "&" : "?";
    yield ["a field of the query more", { ...post, url: `${post.url}${border}sendlog_id=eml_1` }];
    if (post.url.includes("?")) {
      yield ["without the query", { ...post, url: post.url.split("?")[0] }];
    }
    if (post.url.includes("bodySHA256")) {
      for (let byte = 0; byte < 8; byte += 1) {
        yield ["a byte of the body", withBody(post, chance.flipped(post.body))];
      }
      yield ["the body and more", withBody(post, `${post.body} `)];
      yield ["no body", withBody(post, "")];
      return;
    }
    const fields = [...new URLSearchParams(post.body.toString())];
    const form = (changed) => withBody(post, new URLSearchParams(changed).toString());
    for (const [name] of fields) {
      yield ["a field less", form(fields.filter(([each]) => each !== name))];
      yield ["a field changed", form(fields.map(([each, value]) => [each, each === name ? `${value}1` : value]))];
    }
    yield ["a field more", form([...fields, ["Extra", "1"]])];
    yield ["a field twice", form([...fields, ["MessageStatus", "failed"]])];
    yield ["the fields in another order", this.#signedAnew(form(fields.reverse()))];
    yield ["the same field twice", this.#signedAnew(form([...fields, fields[0]]))];
    yield ["no fields", withBody(post, "")];
  }

  #form(url, chance, options = {}) {
    const fields = {
      MessageSid: `SM${randomUUID().replaceAll("-", "")}`,
      MessageStatus: chance.oneOf(["queued", "sent", "delivered"]),
      To: "+4915550100",
      From: "+4915550199",
      Body: chance.text(),
      [`x${chance.below(100)}`]: chance.text(),
    };
    const body = Buffer.from(new URLSearchParams(fields).toString());
    return this.#signed({ url, headers: { "content-type": "application/x-www-form-urlencoded" }, body }, options);
  }

  #json(address, chance) {
    const fields = { MessageSid: `SM${randomUUID()}`, MessageStatus: "sent", To: "+4915550100", Body: chance.text() };
    const body = Buffer.from(JSON.stringify(fields));
    const url = `${address}?bodySHA256=${webhooks.getExpectedBodyHash(body.toString())}`;
    return this.#signed({ url, headers: { "content-type": "application/json" }, body });
  }

  #signedAnew(post) {
    return withHeader(post, signatureHeader, this.#signature(post));
  }

  #signed(post, { algorithm, signedUrl = post.url } = {}) {
    const settings = algorithm && `key=shared_1,algorithm=${algorithm}`;
    const asked = withHeader(post, settingsHeader, settings);
    return withHeader(asked, signatureHeader, this.#signature({ ...asked, url: signedUrl }));
  }

  #signature({ url, headers, body }, { token = this.secret } = {}) {
    const params = url.includes("bodySHA256") ? {} : fieldsOf(body);
    const algorithm = webhooks.getSignatureAlgorithm(headers[settingsHeader]);
    return webhooks.getExpectedTwilioSignature(token, url, params, algorithm);
  }
}

/** The fields of a form as the library wants them: a list for a name that comes several times. */
function fieldsOf(body) {
  const fields = new URLSearchParams(body.toString());
  return Object.fromEntries([...new Set(fields.keys())].map((name) => [name, oneOrAll(fields.getAll(name))]));
}

function oneOrAll(values) {
  return values.length === 1 ? values[0] : values;
}
