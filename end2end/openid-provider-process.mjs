// A real OpenID provider (oidc-provider) on a free loopback port, in a process of its own. Its log-in is a page with a link
// for each person. `PUT /people` with JSON says who there is and what the provider tells of them. Prints its address.

import { once } from "node:events";
import { createServer } from "node:http";
import Provider from "oidc-provider";

/** Claims by subject. */
let people = {};

const server = createServer();
server.listen(0, "127.0.0.1");
await once(server, "listening");
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "sendlog",
      client_secret: "a secret between the two",
      // A native client may come back to any port of this machine.
      application_type: "native",
      redirect_uris: ["http://127.0.0.1/login/openid/callback"],
      grant_types: ["authorization_code"],
      response_types: ["code"],
    },
  ],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
  cookies: { keys: ["only for tests"] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  pkce: { required: () => true },
  findAccount: (_, accountId) =>
    people[accountId] && {
      accountId,
      claims: () => ({ sub: accountId, ...people[accountId] }),
    },
  // Whoever gave consent gave it to everything.
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope("openid email profile groups");
    await grant.save();
    return grant;
  },
});

const answer = provider.callback();
server.on("request", async (request, response) => {
  const url = new URL(request.url, issuer);
  if (request.method === "PUT" && url.pathname === "/people") {
    let body = "";
    for await (const chunk of request) {
      body += chunk;
    }
    people = JSON.parse(body);
    response.writeHead(204).end();
  } else if (url.pathname.startsWith("/interaction/") && url.searchParams.has("as")) {
    // A native client's person is asked for consent each time; who chooses a name here has given it.
    const result = { login: { accountId: url.searchParams.get("as") }, consent: {} };
    await provider.interactionFinished(request, response, result);
  } else if (url.pathname.startsWith("/interaction/")) {
    const links = Object.keys(people).map((name) => `<li><a href="${url.pathname}?as=${name}">${name}</a></li>`);
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
    response.end(
      `<!doctype html><html lang="en"><title>Provider</title><link rel="icon" href="data:,"><h1>Who are you?</h1><ul>${links.join("")}</ul></html>`,
    );
  } else {
    answer(request, response);
  }
});
console.log(issuer);
