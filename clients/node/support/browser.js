// A person's browser without its window: it logs in and posts what the pages post.

export class Browser {
  #url;
  #cookie;

  /** The session of a person. */
  static async logIn(url, { email, password }) {
    const browser = new Browser();
    browser.#url = url;
    const response = await fetch(`${url}/api/auth/login`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Origin: url },
      body: JSON.stringify({ email, password }),
    });
    const cookie = response.headers.getSetCookie().find((one) => one.startsWith("session="));
    if (!response.ok || cookie === undefined) {
      throw new Error(`log-in of ${email}: ${response.status} ${await response.text()}`);
    }
    browser.#cookie = cookie.split(";")[0];
    return browser;
  }

  /** Calls a server function as a page's form does, and gives what it returns. */
  async call(name, fields) {
    return (await this.#post(name, fields)).json();
  }

  /** Calls a server function that returns nothing, and gives the path of the page that it leads to, if to any. */
  async submit(name, fields) {
    return (await this.#post(name, fields)).headers.get("location");
  }

  async #post(name, fields) {
    const response = await fetch(`${this.#url}/fn/${name}`, {
      method: "POST",
      redirect: "manual",
      headers: { Accept: "application/json", Cookie: this.#cookie, Origin: this.#url },
      body: new URLSearchParams(fields),
    });
    if (!response.ok) {
      throw new Error(`${name}: ${response.status} ${await response.text()}`);
    }
    return response;
  }
}
