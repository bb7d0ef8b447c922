// What a first visit loads: a budget by kind of file, in bytes as they come over the wire, and nothing that the document
// does not name, so that no file waits for another.

import { demoTest as test, expect } from "../fixtures.ts";

/** The bytes of a first visit. What grows past them is made smaller, or has a good reason. */
const budget = { script: 80_000, style: 22_000, document: 25_000 };

for (const [name, address] of [["log", "/logs"], ["message", ""], ["log-in", "/login"]] as const) {
  test(`a first visit of the ${name} page loads little, and all at once`, async ({ as, open, page, hasScript }) => {
    test.skip(!hasScript, "without scripts less is loaded");
    let path: string = address;
    if (name === "message") {
      await as("member");
      await page.goto("/logs");
      path = (await page.locator("tbody a[href^='/logs/eml_']").first().getAttribute("href")) ?? "";
    }
    // A browser that has nothing yet.
    const first = await open(name === "log-in" ? undefined : "member");
    const cdp = await first.context().newCDPSession(first);
    await cdp.send("Network.enable");
    const answers = new Map<string, { url: string; kind: keyof typeof budget | undefined; bytes: number }>();
    cdp.on("Network.responseReceived", ({ requestId, response, type }) => {
      const isScript = /javascript|wasm/.test(response.mimeType);
      const kind = isScript ? "script" : type === "Stylesheet" ? "style" : type === "Document" ? "document" : undefined;
      answers.set(requestId, { url: response.url, kind, bytes: 0 });
    });
    cdp.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      const answer = answers.get(requestId);
      if (answer !== undefined) {
        answer.bytes = encodedDataLength;
      }
    });
    const response = await first.goto(path);
    const document = (await response?.text()) ?? "";
    await first.locator("html[data-alive]").waitFor();

    const bytes = { script: 0, style: 0, document: 0 };
    for (const answer of answers.values()) {
      if (answer.kind !== undefined) {
        bytes[answer.kind] += answer.bytes;
      }
      const { pathname } = new URL(answer.url);
      expect(answer.kind === "document" || document.includes(pathname), `${pathname} is named by the page`).toBe(true);
    }
    for (const kind of ["script", "style", "document"] as const) {
      expect(bytes[kind], `bytes of ${kind}: ${JSON.stringify(bytes)}`).toBeGreaterThan(1_000);
      expect(bytes[kind], `bytes of ${kind}: ${JSON.stringify(bytes)}`).toBeLessThanOrEqual(budget[kind]);
    }
  });
}
