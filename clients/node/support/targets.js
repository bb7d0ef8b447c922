// The servers that Sendlog sends to: a mail server, and the HTTP server of the channels that are no email. Both listen
// on a free loopback port and keep what they accept.
//
// A recipient's local part decides: `refused…` is answered 550, anything else is accepted.

import { createServer } from "node:http";
import PostalMime from "postal-mime";
import { SMTPServer } from "smtp-server";
import { waitFor } from "./waiting.js";

export class SmtpTarget {
  /** Every message accepted so far, oldest first: its envelope's recipients and the parsed message. */
  messages = [];
  #server;

  static async start() {
    const target = new SmtpTarget();
    await target.#start();
    return target;
  }

  /** What an adapter is given. */
  get url() {
    return `smtp://127.0.0.1:${this.#server.server.address().port}?tls=none`;
  }

  /** The messages accepted for a recipient, oldest first. */
  to(recipient) {
    return this.messages.filter((received) => received.recipients.includes(recipient)).map(({ mail }) => mail);
  }

  /** Waits until a message has been accepted for a recipient, and gives the newest as it came. */
  async waitForRaw(recipient) {
    return waitFor(`a mail for ${recipient}`, () => {
      return this.messages.findLast((received) => received.recipients.includes(recipient))?.raw;
    });
  }

  /** Waits until at least `count` messages have been accepted for a recipient, and gives them. */
  async waitFor(recipient, count = 1) {
    return waitFor(`${count} mails for ${recipient}`, () => {
      const found = this.to(recipient);
      return found.length >= count ? found : undefined;
    });
  }

  async stop() {
    await new Promise((done) => this.#server.close(done));
  }

  async #start() {
    this.#server = new SMTPServer({
      disabledCommands: ["AUTH", "STARTTLS"],
      disableReverseLookup: true,
      closeTimeout: 500,
      onRcptTo: ({ address }, _session, callback) => {
        if (address.startsWith("refused")) {
          const refusal = new Error(`5.1.1 <${address}>: no such mailbox`);
          callback(Object.assign(refusal, { responseCode: 550 }));
        } else {
          callback();
        }
      },
      onData: (stream, session, callback) => {
        const chunks = [];
        stream.on("data", (chunk) => chunks.push(chunk));
        stream.on("end", async () => {
          const raw = Buffer.concat(chunks);
          const mail = await PostalMime.parse(raw);
          this.messages.push({ recipients: session.envelope.rcptTo.map((one) => one.address), mail, raw });
          callback(null, "2.0.0 kept");
        });
      },
    });
    // A client that goes away in the middle is no fault of the target's.
    this.#server.on("error", () => {});
    await new Promise((done) => this.#server.listen(0, "127.0.0.1", done));
  }
}

/** The text of a body of a parsed message, without the line break at its end. */
export function bodyOf(mail, kind) {
  return (mail[kind] ?? "").replaceAll("\r\n", "\n").trimEnd();
}

/** The bare addresses of a header of a parsed message: "to", "cc", "replyTo". */
export function addressesOf(mail, header) {
  return (mail[header] ?? []).map((one) => one.address);
}

/** The attached files of a parsed message by name, as text. The parser ends those that came as text with a line break. */
export function attachmentsOf(mail) {
  const text = ({ content }) => Buffer.from(content).toString("latin1").replace(/\n$/, "");
  return Object.fromEntries(mail.attachments.map((one) => [one.filename, text(one)]));
}

export class HttpTarget {
  /** Every body posted so far, as text, oldest first. */
  posts = [];
  #server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) {
      chunks.push(chunk);
    }
    this.posts.push(Buffer.concat(chunks).toString("utf8"));
    response.writeHead(200, { "Content-Type": "application/json" }).end("{}");
  });

  static async start() {
    const target = new HttpTarget();
    await new Promise((done) => target.#server.listen(0, "127.0.0.1", done));
    return target;
  }

  /** What an adapter is given. */
  get url() {
    return `http://127.0.0.1:${this.#server.address().port}/notify`;
  }

  /** Waits until a body that holds a text has been posted, and gives it parsed. */
  async waitFor(text) {
    const found = await waitFor(`post with ${text}`, () => this.posts.find((post) => post.includes(text)));
    return JSON.parse(found);
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}
