// A webhook as a team adds it on the page, and what is posted to it.

import http from "node:http";
import { text } from "node:stream/consumers";

const agent = new http.Agent({ keepAlive: true });

export class Webhook {
  /** The address that the provider is given. */
  address;
  #browser;
  #id;

  /** Adds a webhook, and types the secret in that the provider shows. */
  static async create(browser, provider, secret) {
    const webhook = new Webhook();
    const page = await browser.submit("create_provider_webhook", { provider });
    webhook.#id = page.split("/").at(-1);
    webhook.#browser = browser;
    await browser.submit("update_provider_webhook", { id: webhook.#id, name: provider, secret });
    webhook.address = (await webhook.#view()).address;
    return webhook;
  }

  /** How many events were recorded, as the page shows it. */
  async recorded() {
    return (await this.#view()).webhook.recorded;
  }

  async #view() {
    return this.#browser.call("load_provider_webhook", { id: this.#id });
  }
}

/**
 * Posts what a provider posts, `{ url, headers, body }` with the body in bytes, and gives the status and the words of
 * the answer. The address goes out to the letter: `fetch` writes some letters of it otherwise, and Twilio signs it.
 */
export async function send({ url, headers, body }) {
  const [, host, path] = url.match(/^http:\/\/([^/]+)(\/.*)$/);
  const [hostname, port] = host.split(":");
  const sent = { ...headers, "Content-Length": body.length };
  return new Promise((done, fail) => {
    const request = http.request({ method: "POST", hostname, port, path, headers: sent, agent }, async (response) => {
      done({ status: response.statusCode, text: await text(response) });
    });
    request.on("error", fail).end(body);
  });
}

/** The same post with another value in a header; without the header where there is none. */
export function withHeader(post, name, value) {
  const { [name]: _, ...others } = post.headers;
  return { ...post, headers: value === undefined ? others : { ...others, [name]: value } };
}

/** The same post with another body. */
export function withBody(post, body) {
  return { ...post, body: Buffer.from(body) };
}
