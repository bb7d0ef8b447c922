// A team on the server under test, with an API key of every scope, and what the tests ask of Sendlog's own API: the
// templates that they send, the events that they report, and the log in which all dialects meet.

import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { Browser } from "./browser.js";
import { waitFor } from "./waiting.js";

export const from = "Acme <hello@acme.example>";

export class Team {
  #owner;
  #browser;
  #template;

  /** A team with an owner, an SMTP adapter, an HTTP adapter for the other channels, and a key of every scope. */
  static async create(sendlog, smtp, http) {
    const team = new Team();
    team.sendlog = sendlog;
    team.slug = `team-${randomUUID().slice(0, 13)}`;
    team.#owner = { email: `owner@${team.slug}.example`, password: randomUUID() };
    await sendlog.admin(
      ["create-user", "--email", team.#owner.email, "--name", "The owner", "--team", team.slug, "--role", "owner"],
      { SENDLOG_PASSWORD: team.#owner.password },
    );
    await team.createAdapter("smtp", smtp.url, "--default");
    await team.createAdapter("http", http.url);
    team.key = await team.createKey("*");
    return team;
  }

  /** The owner's browser, logged in. */
  async logIn() {
    return Browser.logIn(this.sendlog.url, this.#owner);
  }

  /** A key with these permissions alone: `{ id, key }`. */
  async createKey(...scopes) {
    const args = scopes.flatMap((scope) => ["--scope", scope]);
    return this.sendlog.admin(["create-key", "--team", this.slug, "--name", "clients", ...args]);
  }

  /** Makes an adapter and gives its id; `--default` sends by it what names no other. */
  async createAdapter(type, url, ...args) {
    const named = ["--name", `${type} ${randomUUID().slice(0, 8)}`, "--url", url, "--from", from];
    const made = await this.sendlog.admin(["create-adapter", "--team", this.slug, "--type", type, ...named, ...args]);
    return made.id;
  }

  /** Makes a template and gives its id. */
  async createTemplate(source) {
    const name = `Template ${randomUUID().slice(0, 8)}`;
    return (await this.call("POST", "/api/templates", { name, ...source })).id;
  }

  /** A message as Sendlog's own API shows it; the id may be any dialect's. */
  async find(id) {
    return this.call("GET", `/api/logs/${id}`);
  }

  /** A message as its page shows it to the owner: `events`, `attempts`, `failure`. */
  async look(id) {
    this.#browser ??= await this.logIn();
    return (await this.#browser.call("load_email", { id })).detail;
  }

  /** Sends by an adapter, and gives what the message's page shows once the attempt is over. */
  async attempt(adapterId, to = uniqueAddress()) {
    this.#template ??= await this.createTemplate({ subject: "Hello", text: "Hello", html: "<p>Hello</p>" });
    const { id } = await this.call("POST", "/api/v1/send", { templateId: this.#template, to, adapterId });
    await waitFor(`attempt at ${id}`, async () => (await this.look(id)).attempts.length > 0);
    // The page reads one part after the other: the first that shows an attempt need not show all that came of it.
    return this.look(id);
  }

  /** The newest message to a recipient, as Sendlog's own API lists it. */
  async findTo(recipient) {
    const { items } = await this.call("GET", "/api/logs?pageSize=100");
    return items.find(({ toAddresses }) => toAddresses.includes(recipient));
  }

  /** How many messages the team's log holds. */
  async count() {
    return (await this.call("GET", "/api/logs?pageSize=1")).total;
  }

  /** Waits until a message has a status (one of Sendlog's own API), and gives the message. */
  async waitForStatus(id, status) {
    return waitFor(`${status} of ${id}`, async () => {
      const found = await this.find(id);
      return found.status === status ? found : undefined;
    });
  }

  /** Reports an event from outside, as a mail provider would: `emailId` or `providerMessageId`, `recipient`, … */
  async report(kind, fields) {
    const event = { id: `evt-${randomUUID()}`, kind, at: new Date().toISOString(), ...fields };
    const [answer] = await this.call("POST", "/api/v1/events", [event]);
    if (answer.status !== "recorded") {
      throw new Error(`${JSON.stringify(event)}: ${JSON.stringify(answer)}`);
    }
  }

  /** Calls Sendlog's own API and gives what is in the envelope. */
  async call(method, path, body) {
    const response = await this.#request(method, path, body);
    if (!response.ok) {
      throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    }
    return (await response.json()).data;
  }

  #request(method, path, body) {
    return fetch(this.sendlog.url + path, {
      method,
      headers: { Authorization: `Bearer ${this.key.key}`, "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  }
}

/**
 * Messages that keep arriving while a test reads the log: they are sent one after the other until `stop`, which throws
 * when one of them could not be sent.
 */
export class Arrivals {
  #send;
  #sent = 0;
  #stopping = false;
  #failure;
  #running;

  constructor(send) {
    this.#send = send;
    this.#running = this.#run();
  }

  /** Waits until one more has been accepted, so that something surely came between two pages. */
  async waitForAnother() {
    const before = this.#sent;
    await waitFor("another message", () => this.#failure !== undefined || this.#sent > before);
  }

  async stop() {
    this.#stopping = true;
    await this.#running;
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
  }

  async #run() {
    try {
      while (!this.#stopping) {
        await this.#send(uniqueAddress("arriving"));
        this.#sent += 1;
        // The pause leaves the server time to answer the test.
        await pause(5);
      }
    } catch (error) {
      this.#failure = error;
    }
  }
}

/** An address that no other test uses. */
export function uniqueAddress(name = "reader") {
  return `${name}-${randomUUID().slice(0, 13)}@example.com`;
}
