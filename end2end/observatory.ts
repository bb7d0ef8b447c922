// Mozilla's HTTP Observatory, asked about answers instead of a host: its scanner wants a public address with a
// certificate, so its own rules and scores are given what our server says when it believes to be at one.

import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { ALL_TESTS } from "@mdn/mdn-http-observatory/src/constants.js";
import { MINIMUM_SCORE_FOR_EXTRA_CREDIT } from "@mdn/mdn-http-observatory/src/grader/charts.js";
import { getGradeForScore, getScoreModifier } from "@mdn/mdn-http-observatory/src/grader/grader.js";
import { Session } from "@mdn/mdn-http-observatory/src/retriever/session.js";
import { parseHttpEquivHeaders } from "@mdn/mdn-http-observatory/src/retriever/utils.js";
import { Requests, type Response as Seen } from "@mdn/mdn-http-observatory/src/types.js";

const foreignOrigin = "https://http-observatory.security.mozilla.org";

export interface Verdict {
  /** `A+` to `F`. */
  grade: string;
  score: number;
  /** The rules that the answer breaks, each with what was found. */
  failed: string[];
}

/** A server behind a proxy that speaks https: the address people open, and where we reach it without the proxy. */
export interface Site {
  publicUrl: string;
  url: string;
  /** `Set-Cookie` headers of a log-in. The rules look at the cookies and the requests carry them. */
  cookies: string[];
}

/** What the Observatory says of a page of a site. */
export async function judge(site: Site, path: string): Promise<Verdict> {
  providePreloadList();
  const url = new URL(path, site.publicUrl);
  const cookie = site.cookies.map((header) => header.split(";")[0]).join("; ");
  const answer = await ask(site, path, "GET", { Accept: "text/html", Cookie: cookie });
  const preflight = await ask(site, path, "OPTIONS", {
    Origin: foreignOrigin,
    "Access-Control-Request-Method": "GET",
  });
  answer.httpEquiv = parseHttpEquivHeaders(answer.data, url.href);

  const session = new Session(url);
  const set = [answer.headers["set-cookie"] ?? []].flat();
  for (const header of [...site.cookies, ...set]) {
    session.jar.setCookieSync(header, url.href);
  }
  const requests = new Requests(url.hostname);
  requests.session = session;
  requests.resources.path = answer.data;
  requests.responses.auto = requests.responses.http = requests.responses.https = answer;
  requests.responses.cors = preflight;
  // The proxy's part: whoever comes without encryption is sent on.
  requests.responses.httpRedirects = [
    { url: new URL(url.href.replace("https:", "http:")), status: 301 },
    { url, status: answer.status },
  ];
  requests.responses.httpsRedirects = [{ url, status: answer.status }];
  return score(requests);
}

/** As the package's scanner adds up. */
function score(requests: Requests): Verdict {
  const outputs = ALL_TESTS.map((rule) => rule(requests));
  const modifiers = outputs.map(({ result }) => (result === null ? 0 : getScoreModifier(result)));
  const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 100);
  const plain = sum(modifiers.filter((modifier) => modifier < 0));
  const final = plain >= MINIMUM_SCORE_FOR_EXTRA_CREDIT ? sum(modifiers) : plain;
  const failed = outputs
    .filter(({ pass }) => !pass)
    .map((output) => `${output.constructor.name}: ${output.result}`);
  return { ...getGradeForScore(final), failed };
}

async function ask(site: Site, path: string, method: string, headers: Record<string, string>): Promise<Seen> {
  const response = await fetch(new URL(path, site.url), { method, headers, redirect: "manual" });
  const found: Record<string, string | string[]> = Object.fromEntries(response.headers);
  found["set-cookie"] = response.headers.getSetCookie();
  return {
    status: response.status,
    headers: found,
    data: await response.text(),
    verified: true,
    request: { headers },
  };
}

/** The list of hosts known for https, which the package fetches when it is installed with its scripts: none is ours. */
function providePreloadList(): void {
  const main = createRequire(import.meta.url).resolve("@mdn/mdn-http-observatory/package.json");
  try {
    writeFileSync(join(main, "..", "conf", "hsts-preload.json"), "{}", { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
      throw error;
    }
  }
}
