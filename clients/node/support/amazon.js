// Amazon SNS as far as webhooks see it: it signs what it posts, and its hosts answer with the certificate and take
// confirmations.
//
// Sendlog asks `sns.<region>.amazonaws.com` and nobody else. It reaches the stand-in by what an operator can set: a
// proxy (`HTTPS_PROXY`), which leads every connection to this machine, and the authorities that are trusted
// (`SSL_CERT_FILE`).
// Sources: Amazon SNS Developer Guide, "Verifying the signatures of Amazon SNS messages"; RFC 9110, section 9.3.6.

import { createSign, randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { Authority, newKey } from "./authority.js";

export const host = "sns.eu-west-1.amazonaws.com";
export const topic = "arn:aws:sns:eu-west-1:123456789012:finch";

/** What is signed, in this order. */
const notificationNames = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];
const confirmationNames = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

export class Sns {
  /** What was asked of its hosts so far, `host/path` each. */
  asked = [];
  /** The hosts that Sendlog wanted to be led to so far, `host:port` each. */
  reached = [];
  #folder;
  #root = new Authority();
  #key = newKey();
  #certificates = {};
  #site;
  #proxy;

  static async start() {
    const sns = new Sns();
    await sns.#start();
    return sns;
  }

  /** What Sendlog is started with; `undefined` for what must not be set. */
  get environment() {
    const unset = ["SSL_CERT_DIR", "NO_PROXY", "no_proxy", "https_proxy", "ALL_PROXY", "all_proxy"];
    return {
      ...Object.fromEntries(unset.map((name) => [name, undefined])),
      SSL_CERT_FILE: this.#rootFile,
      HTTPS_PROXY: `http://127.0.0.1:${this.#proxy.address().port}`,
    };
  }

  /** What leads the requests of a library on this side to the stand-in. */
  get agent() {
    const agent = new https.Agent();
    agent.createConnection = ({ servername, host }) =>
      tls.connect({ port: this.#site.address().port, servername: servername || host, ca: this.#root.pem });
    return agent;
  }

  /** The address of the certificate `genuine`, or of `untrusted`, `expired` or `another`, not to be believed. */
  certificateUrl(name = "genuine", at = host) {
    return `https://${at}/SimpleNotificationService-${name}.pem`;
  }

  /** A message of the topic, signed; `fields` are its own, and go before. */
  message(fields, { version = "2", certificate = "genuine" } = {}) {
    const message = {
      MessageId: randomUUID(),
      TopicArn: topic,
      Timestamp: new Date().toISOString(),
      SigningCertURL: this.certificateUrl(certificate),
      ...fields,
      SignatureVersion: version,
    };
    const names = fields.Type.endsWith("Confirmation") ? confirmationNames : notificationNames;
    const signed = names.filter((name) => name in message);
    const signer = createSign(version === "1" ? "RSA-SHA1" : "RSA-SHA256");
    signed.forEach((name) => signer.update(`${name}\n${message[name]}\n`));
    return { ...message, Signature: signer.sign(this.#key, "base64") };
  }

  async stop() {
    this.#site.closeAllConnections();
    await Promise.all([this.#site, this.#proxy].map((server) => new Promise((done) => server.close(done))));
    await rm(this.#folder, { recursive: true, force: true });
  }

  get #rootFile() {
    return join(this.#folder, "roots.pem");
  }

  async #start() {
    this.#folder = await mkdtemp(join(tmpdir(), "sendlog-sns-"));
    await writeFile(this.#rootFile, this.#root.pem);
    // One key, so that nothing but the certificate tells a genuine message from the others.
    this.#certificates = {
      genuine: this.#root.issue(this.#key, ["sns.amazonaws.com"]),
      untrusted: new Authority().issue(this.#key, ["sns.amazonaws.com"]),
      expired: this.#root.issue(this.#key, ["sns.amazonaws.com"], -1),
      another: this.#root.issue(this.#key, ["mail.amazonaws.com"]),
    };
    const identity = { key: this.#key, cert: this.#root.issue(this.#key, [host, "sns.us-east-1.amazonaws.com"]) };
    this.#site = https.createServer(identity, (request, response) => this.#answer(request, response));
    this.#proxy = http.createServer().on("connect", ({ url }, socket) => this.#lead(url, socket));
    const listening = (server) => new Promise((done) => server.listen(0, "127.0.0.1", done));
    await Promise.all([this.#site, this.#proxy].map(listening));
  }

  #lead(to, socket) {
    this.reached.push(to);
    const site = connect(this.#site.address().port, "127.0.0.1");
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    socket.pipe(site).pipe(socket);
    socket.on("error", () => site.destroy());
    site.on("error", () => socket.destroy());
  }

  #answer(request, response) {
    this.asked.push(request.headers.host + request.url);
    const name = request.url.match(/^\/(?:SimpleNotificationService-)?(\w+)\.pem$/)?.[1];
    const isConfirmation = request.url.startsWith("/?Action=ConfirmSubscription&");
    const body = isConfirmation ? "<ConfirmSubscriptionResponse/>" : this.#certificates[name];
    response.writeHead(body === undefined ? 404 : 200, { Connection: "close" }).end(body);
  }
}
