// SendGrid in the tests' eyes: it takes messages, sets its event webhook up when it is asked, and posts signed events. It
// refuses what SendGrid refuses.
// Sources: Twilio SendGrid, "Mail Send", "Mail Send errors", "Create an Event Webhook", "Toggle Signature Verification for an
// Event Webhook", "Getting Started with the Event Webhook Security Features".

import { createSign, generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

export interface Post {
  headers: Record<string, string>;
  data: string;
}

/** What signs an event webhook. */
export class SigningAccount {
  readonly #keys = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  /** The public key, as SendGrid shows it. */
  readonly verificationKey = this.#keys.publicKey.export({ type: "spki", format: "der" }).toString("base64");

  /** The post that tells of events. Its body ends with a line break, which is signed. */
  post(events: object[]): Post {
    const data = bodyOf(events);
    const timestamp = String(Math.floor(Date.now() / 1000));
    const signature = createSign("sha256").update(timestamp + data).sign(this.#keys.privateKey, "base64");
    return {
      data,
      headers: {
        "content-type": "application/json",
        "x-twilio-email-event-webhook-signature": signature,
        "x-twilio-email-event-webhook-timestamp": timestamp,
      },
    };
  }
}

/** A message that SendGrid took. */
export interface SentMail {
  /** What it answers as `X-Message-Id`. */
  id: string;
  to: string;
  from: string;
  subject: string;
  arguments: Record<string, string>;
}

interface Answer {
  status: number;
  headers?: Record<string, string>;
  json?: object;
}

interface Hook {
  id: string;
  url: string;
  enabled: boolean;
  isSigned: boolean;
  [event: string]: unknown;
}

export class SendGridApi {
  readonly account = new SigningAccount();
  readonly sent: SentMail[] = [];
  /** The event webhooks that were made. */
  readonly hooks: Hook[] = [];
  readonly #key: string;
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  private constructor(key: string) {
    this.#key = key;
  }

  /** An account with one API key. */
  static async start(key: string): Promise<SendGridApi> {
    const api = new SendGridApi(key);
    await new Promise<void>((started) => api.#server.listen(0, "127.0.0.1", started));
    return api;
  }

  /** What stands in the place of `https://api.sendgrid.com`. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The message to an address. */
  mailTo(to: string): SentMail {
    const found = this.sent.find((mail) => mail.to === to);
    if (found === undefined) {
      throw new Error(`no message to ${to} among ${JSON.stringify(this.sent)}`);
    }
    return found;
  }

  /** Posts events about a message to the webhooks that want them; gives the answers' statuses. */
  async tell(mail: SentMail, ...events: { event: string; [field: string]: unknown }[]): Promise<number[]> {
    const told = events.map((event) => ({
      email: mail.to,
      timestamp: Math.floor(Date.now() / 1000),
      "smtp-id": `<${mail.id}@geopod-ismtpd-1>`,
      sg_event_id: randomUUID(),
      sg_message_id: `${mail.id}.recvd-5c7f9d6b4-1-67A0B1C2-1.0`,
      ...mail.arguments,
      ...event,
    }));
    const posts = this.hooks.map(async (hook) => {
      const wanted = told.filter(({ event }) => hook.enabled && hook[event] === true);
      if (wanted.length === 0) {
        return [];
      }
      const unsigned = { data: bodyOf(wanted), headers: { "content-type": "application/json" } };
      const { data, headers } = hook.isSigned ? this.account.post(wanted) : unsigned;
      return [(await fetch(hook.url, { method: "POST", body: data, headers })).status];
    });
    return (await Promise.all(posts)).flat();
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, headers, json } = this.#answer(request, (await buffer(request)).toString());
    response.writeHead(status, { ...(json && { "content-type": "application/json" }), ...headers });
    response.end(json && JSON.stringify(json));
  }

  #answer({ method, url = "", headers }: IncomingMessage, text: string): Answer {
    if (headers.authorization !== `Bearer ${this.#key}`) {
      return refused(401, "The provided authorization grant is invalid, expired, or revoked");
    }
    if (headers["content-type"] !== "application/json") {
      return refused(415, "Content-Type should be application/json.");
    }
    let body;
    try {
      body = JSON.parse(text);
    } catch {
      return refused(400, "Bad Request");
    }
    const settings = "/v3/user/webhooks/event/settings";
    if (method === "POST" && url === "/v3/mail/send") {
      return this.#take(body);
    }
    if (method === "POST" && url === settings) {
      return this.#create(body);
    }
    const hook = this.hooks.find(({ id }) => url === `${settings}/signed/${id}`);
    if (method === "PATCH" && hook && typeof body.enabled === "boolean") {
      hook.isSigned = body.enabled;
      return { status: 200, json: { id: hook.id, public_key: body.enabled ? this.account.verificationKey : "" } };
    }
    return refused(404, "Not Found");
  }

  #take(mail: MailSend): Answer {
    const wrong = whatIsWrong(mail);
    if (wrong) {
      return refused(400, ...wrong);
    }
    const id = randomUUID().replaceAll("-", "").slice(0, 22);
    for (const { to } of mail.personalizations ?? []) {
      for (const { email } of to ?? []) {
        this.sent.push({
          ...{ id, to: email ?? "", from: mail.from?.email ?? "", subject: mail.subject ?? "" },
          arguments: mail.custom_args ?? {},
        });
      }
    }
    return { status: 202, headers: { "x-message-id": id } };
  }

  #create(hook: Hook): Answer {
    if (!/^https?:\/\/\S+$/.test(hook.url ?? "") || typeof hook.enabled !== "boolean") {
      return refused(400, "a valid url is required", "url");
    }
    const made = { ...hook, id: randomUUID(), isSigned: false };
    // What a setting calls `spam_report`, the event calls `spamreport`.
    this.hooks.push({ ...made, spamreport: hook.spam_report });
    return { status: 201, json: made };
  }
}

function bodyOf(events: object[]): string {
  return `${JSON.stringify(events)}\r\n`;
}

interface Mailbox {
  email?: string;
}

interface MailSend {
  personalizations?: { to?: Mailbox[]; cc?: Mailbox[]; bcc?: Mailbox[] }[];
  from?: Mailbox;
  subject?: string;
  content?: { type?: string; value?: string }[];
  custom_args?: Record<string, string>;
}

/** What SendGrid would not take of a message: its words, and the field. */
function whatIsWrong({ personalizations, from, subject, content, custom_args }: MailSend): [string, string] | undefined {
  const isAddress = ({ email }: Mailbox) => /^[^@\s]+@[^@\s]+$/.test(email ?? "");
  if (!personalizations?.length) {
    return ["The personalizations field is required and must have at least one personalization.", "personalizations"];
  }
  for (const [number, { to = [], cc = [], bcc = [] }] of personalizations.entries()) {
    const all = [...to, ...cc, ...bcc];
    if (to.length === 0) {
      const words = "The to array is required for all personalization objects, and must have at least one email object";
      return [`${words} with a valid email address.`, `personalizations.${number}.to`];
    }
    if (!all.every(isAddress)) {
      return ["Does not contain a valid address.", `personalizations.${number}.to.0.email`];
    }
    if (new Set(all.map(({ email }) => email?.toLowerCase())).size < all.length) {
      const words = "Each email address in the personalization block should be unique between to, cc, and bcc.";
      return [words, `personalizations.${number}`];
    }
  }
  if (!from || !isAddress(from)) {
    return ["The from object must be provided for every email send.", "from.email"];
  }
  if (!subject) {
    return ["The subject is required. You can get around this requirement if you use a template.", "subject"];
  }
  if (!content?.length || !content.every(({ type, value }) => type && value)) {
    return ["The content value must be a string at least one character in length.", "content.0.value"];
  }
  const kinds = content.map(({ type }) => type);
  if (kinds.includes("text/plain") && kinds[0] !== "text/plain") {
    return ["If present, text/plain must be first, followed by text/html.", "content"];
  }
  if (Object.values(custom_args ?? {}).some((value) => typeof value !== "string")) {
    return ["The custom_args values must be strings.", "custom_args"];
  }
  return undefined;
}

function refused(status: number, message: string, field: string | null = null): Answer {
  return { status, json: { errors: [{ message, field, help: null }] } };
}
