// A provider's API as its clients see it: it keeps what is asked of it and answers what a test says. And how what Sendlog
// asks is held against what the provider's own client asks.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { waitFor } from "./waiting.js";

export class ProviderApi {
  /** What was asked so far, oldest first: `{ method, path, query, headers, body }`, the body in bytes. */
  requests = [];
  /** Gives the answer to a request: `{ status, headers, json }`, or `text` in the place of `json`. */
  #answer;
  #server = createServer(async (message, response) => {
    const [path, query = ""] = message.url.split("?");
    const { method, headers } = message;
    const request = { method, path, query, headers, body: await buffer(message) };
    this.requests.push(request);
    const { status = 200, headers: more, json, text } = await this.#answer(request);
    const type = json === undefined ? "text/plain" : "application/json";
    response.writeHead(status, { "Content-Type": type, ...more }).end(text ?? JSON.stringify(json));
  });

  static async start(answer) {
    const api = new ProviderApi();
    api.#answer = answer;
    await new Promise((done) => api.#server.listen(0, "127.0.0.1", done));
    return api;
  }

  /** Its host with its port. */
  get host() {
    return `127.0.0.1:${this.#server.address().port}`;
  }

  /** What an adapter is given; `logIn` is a key, or a user and a password. */
  url(path = "", ...logIn) {
    return `http://${logIn.map(encodeURIComponent).join(":")}${logIn.length > 0 ? "@" : ""}${this.host}${path}`;
  }

  /** The one request that `action` leads to, at once or later, and what `action` gives. */
  async asked(action) {
    const before = this.requests.length;
    const result = await action();
    await waitFor("request to the provider", () => this.requests.length > before);
    assert.equal(this.requests.length, before + 1);
    return [this.requests[before], result];
  }

  /** Answers in another way until `action` is over, and gives what that gives. */
  async answering(answer, action) {
    const usual = this.#answer;
    this.#answer = answer;
    try {
      return await action();
    } finally {
      this.#answer = usual;
    }
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}

/** The error that a client's promise ends in. */
export async function errorOf(promise) {
  return promise.then(
    () => assert.fail("the client takes it for accepted"),
    (error) => error,
  );
}

export function jsonOf({ body }) {
  return JSON.parse(body.toString("utf8"));
}

/** A form's fields by name, each with its values in their order; a file is its name, its type and its bytes. */
export async function formOf({ headers, body }) {
  const form = await new Response(body, { headers: { "Content-Type": headers["content-type"] } }).formData();
  const value = async (one) =>
    typeof one === "string"
      ? one
      : { name: one.name, type: one.type, base64: Buffer.from(await one.arrayBuffer()).toString("base64") };
  const fields = [...new Set(form.keys())].map(async (name) => [name, await Promise.all(form.getAll(name).map(value))]);
  return Object.fromEntries(await Promise.all(fields));
}

/**
 * Holds what Sendlog asks against what the provider's client asks, value by value. `allowed` names by its path each value
 * that may differ, why, and what Sendlog's is then; one that differs without being named fails, and so does one that is
 * named and does not differ.
 */
export function assertSame(ours, theirs, allowed = {}) {
  const [our, their] = [leavesOf(ours), leavesOf(theirs)];
  const paths = [...new Set([...Object.keys(our), ...Object.keys(their)])];
  const differing = paths.filter((path) => our[path] !== their[path]);
  const unexplained = differing.filter((path) => !(path in allowed));
  assert.deepEqual(
    unexplained.map((path) => ({ path, ours: our[path], theirs: their[path] })),
    [],
    "what differs without a reason",
  );
  assert.deepEqual(
    Object.keys(allowed).filter((path) => !differing.includes(path)),
    [],
    "what is said to differ, and does not",
  );
  for (const [path, { why, ours: expected }] of Object.entries(allowed)) {
    const wanted = typeof expected === "function" ? expected(their[path]) : expected;
    assert.equal(our[path], wanted, `${path}, which differs because ${why}`);
  }
}

/** What a request begins with: everything but its body. */
export function headOf({ method, path, query, headers }) {
  const { "content-length": _, ...told } = headers;
  return { method, path, query, headers: told };
}

/** How the two connect to a server, and what they call themselves. */
export const connectionOnly = {
  "headers.connection": { why: "Sendlog keeps its connections, as HTTP/1.1 does unasked", ours: undefined },
};

/** Every value within a value by its path: `Destination.ToAddresses.0`. */
function leavesOf(value, path = "") {
  if (value === null || typeof value !== "object" || Object.keys(value).length === 0) {
    return value === undefined ? {} : { [path]: value !== null && typeof value === "object" ? JSON.stringify(value) : value };
  }
  const parts = Object.entries(value).map(([name, part]) => leavesOf(part, path === "" ? name : `${path}.${name}`));
  return Object.assign({}, ...parts);
}
