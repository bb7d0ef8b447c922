// Amazon SES's news, carried by SNS: signed as Amazon's documents say, with a certificate of the stand-in, and judged
// by the library that Amazon publishes. Source: Amazon SNS Developer Guide, "Verifying the signatures of Amazon SNS
// messages".

import { randomUUID } from "node:crypto";
import MessageValidator from "sns-validator";
import { host, topic } from "../amazon.js";
import { withBody, withHeader } from "../webhook.js";

const chain = "the library believes every certificate that comes from an Amazon host";
const elsewhere = "Sendlog asks the topic's own host, and there for SNS's own certificates alone";
const age = "the library asks for no age";

export class AmazonSes {
  slug = "ses";
  secret = topic;
  disagreements = {
    "a certificate that nobody vouches for": chain,
    "a certificate that has run out": chain,
    "a certificate of another service": chain,
    "a certificate of another region": elsewhere,
    "a user before the host": elsewhere,
    "a certificate of another name": elsewhere,
    "signed two days ago": age,
    "signed in a day": age,
    "a time of words, signed": age,
    "another topic, signed": "the library knows no topics",
    "another type, signed": "the library takes every type",
    "another Signature": "the library passes over letters that are no base64",
    "delivered raw": "Sendlog asks for the header by which SNS says that it signs nothing",
    "a member twice": "the library reads the last, Sendlog neither",
    "the version as a number": "Sendlog reads a number as its text",
    "an address to subscribe at": "the library signs it where it should not be; Sendlog does not read it there",
    "the end of a subscription": "the library leaves the token out, against Amazon's documents",
  };
  #sns;
  #validator = new MessageValidator();

  constructor(sns) {
    this.#sns = sns;
  }

  /** An event about a message of its own, by one of the two versions of the signature. */
  genuine(address, chance) {
    const message = this.#sns.message(this.#news(chance), { version: chance.oneOf(["1", "2"]) });
    return posted(address, message);
  }

  /** What confirms a subscription, at Amazon. */
  confirmationQuery = `?Action=ConfirmSubscription&TopicArn=${topic}&Token=2336412f37`;

  /** The question whether the topic may post, signed; it is answered at one of these places each. */
  confirmations(address, places) {
    const fields = { Type: "SubscriptionConfirmation", Token: "2336412f37", Message: "Visit the SubscribeURL" };
    const urls = places.map((place) => place + this.confirmationQuery);
    return urls.map((url) => posted(address, this.#sns.message({ ...fields, SubscribeURL: url })));
  }

  async isGenuine({ body }) {
    return new Promise((done) => {
      try {
        this.#validator.validate(body.toString(), (error) => done(!error));
      } catch {
        done(false);
      }
    });
  }

  *damaged(post, chance) {
    const genuine = JSON.parse(post.body);
    const having = (fields) => posted(post.url, { ...genuine, ...fields });
    // Signed anew, and then changed.
    const signed = (fields, { changes = {}, ...options } = {}) =>
      posted(post.url, { ...this.#sns.message({ ...this.#news(chance), ...fields }, options), ...changes });
    const { SigningCertURL: certificate, Signature: signature } = genuine;
    for (const name of Object.keys(genuine)) {
      yield [`without ${name}`, having({ [name]: undefined })];
      yield [`another ${name}`, having({ [name]: `${genuine[name]}x` })];
      yield [`a blank ${name}`, having({ [name]: "" })];
    }
    yield ["a subject more", having({ Subject: "Seeds" })];
    yield ["a subject of null", signed({}, { changes: { Subject: null } })];
    yield ["another subject", signed({ Subject: "Seeds" }, { changes: { Subject: "Seed" } })];
    yield ["a subject less", signed({ Subject: "Seeds" }, { changes: { Subject: undefined } })];
    yield ["a member that nobody knows", signed({}, { changes: { More: 1 } })];
    yield ["an address to subscribe at", signed({}, { changes: { SubscribeURL: `https://${host}/` } })];
    yield ["the other version", having({ SignatureVersion: genuine.SignatureVersion === "1" ? "2" : "1" })];
    yield ["a version that nobody knows", having({ SignatureVersion: "3" })];
    yield ["the version as a number", signed({}, { changes: { SignatureVersion: 2 } })];
    const bytes = Buffer.from(signature, "base64");
    yield ["a bit of the signature", having({ Signature: chance.flipped(bytes).toString("base64") })];
    yield ["the signature cut", having({ Signature: bytes.subarray(0, 100).toString("base64") })];
    for (const url of [
      certificate.replace("https:", "http:"),
      certificate.replace(".com/", ".com.evil.example/"),
      certificate.replace(`//${host}`, "//evil.example"),
      certificate.replace(`//${host}`, "//127.0.0.1"),
      certificate.replace(`//${host}`, `//evil.example/${host}`),
      certificate.replace(`${host}/`, `${host}:8443/`),
      `${certificate}?x=1`,
      certificate.replace(".pem", ".PEM"),
    ]) {
      yield ["another place of the certificate", having({ SigningCertURL: url })];
    }
    yield ["a certificate that is not there", having({ SigningCertURL: this.#sns.certificateUrl("missing") })];
    yield [
      "a certificate of another region",
      having({ SigningCertURL: certificate.replace("eu-west-1", "us-east-1") }),
    ];
    yield ["a user before the host", having({ SigningCertURL: certificate.replace("//", "//evil.example@") })];
    yield ["a certificate of another name", having({ SigningCertURL: `https://${host}/genuine.pem` })];
    yield ["a certificate that nobody vouches for", signed({}, { certificate: "untrusted" })];
    yield ["a certificate that has run out", signed({}, { certificate: "expired" })];
    yield ["a certificate of another service", signed({}, { certificate: "another" })];
    yield ["signed two days ago", signed({ Timestamp: new Date(Date.now() - 2 * 86_400_000).toISOString() })];
    yield ["signed in a day", signed({ Timestamp: new Date(Date.now() + 86_400_000).toISOString() })];
    yield ["a time of words, signed", signed({ Timestamp: "noon" })];
    yield ["another topic, signed", signed({ TopicArn: `${topic}es` })];
    yield ["another type, signed", signed({ Type: "Notice" })];
    yield ["delivered raw", withHeader(signed({}), "x-amz-sns-rawdelivery", "true")];
    yield ["a member twice", withBody(post, post.body.toString().replace("{", '{"Message":"{}",'))];
    const { SubscribeURL, Token } = { SubscribeURL: `https://${host}/${this.confirmationQuery}`, Token: "2336412f37" };
    yield ["the end of a subscription", signed({ Type: "UnsubscribeConfirmation", SubscribeURL, Token })];
    for (let letter = 0; letter < 4; letter += 1) {
      const at = chance.below(genuine.Message.length);
      yield [
        "a letter of the message",
        having({ Message: `${genuine.Message.slice(0, at)}~${genuine.Message.slice(at + 1)}` }),
      ];
    }
    yield ["the body cut", withBody(post, post.body.subarray(0, chance.below(post.body.length)))];
    yield ["no body", withBody(post, "")];
    yield ["a list", withBody(post, `[${post.body}]`)];
  }

  #news(chance) {
    const to = `wren-${chance.below(1_000_000)}@finch.example`;
    const at = new Date().toISOString();
    const commonHeaders = { subject: chance.text() };
    const mail = { messageId: randomUUID(), timestamp: at, destination: [to], commonHeaders };
    const delivery = { timestamp: at, recipients: [to], smtpResponse: "250 2.0.0 OK" };
    return { Type: "Notification", Message: JSON.stringify({ eventType: "Delivery", mail, delivery }) };
  }
}

function posted(url, message) {
  return { url, headers: { "content-type": "text/plain; charset=UTF-8" }, body: Buffer.from(JSON.stringify(message)) };
}
