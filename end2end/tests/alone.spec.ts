// The program is one file: copied to an empty folder, it has everything that its pages name.

import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "../fixtures.ts";
import { binary, Sendlog } from "../sendlog.ts";

let folder: string;
let sendlog: Sendlog;

// No page is opened, so there is nothing to do again without scripts.
test.skip(({ hasScript }) => !hasScript);

test.beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sendlog-alone-"));
  const program = join(folder, "sendlog");
  await copyFile(binary, program);
  sendlog = await Sendlog.serve({ program });
});

test.afterAll(async () => {
  await sendlog?.stop();
  await rm(folder, { recursive: true, force: true });
});

test("what a page loads is there, compressed, and kept for good", async () => {
  const page = await (await fetch(`${sendlog.url}/login`)).text();
  const named = [...page.matchAll(/"(\/[^"#]+\.(?:css|js|svg|wasm))["#]/g)].map(([, address]) => address);
  const kinds = new Map<string, string>();
  for (const address of new Set(named)) {
    const answer = await fetch(sendlog.url + address, { headers: { "Accept-Encoding": "gzip, deflate, br" } });
    expect(answer.status, address).toBe(200);
    expect(answer.headers.get("content-encoding"), address).toBe("br");
    expect((await answer.arrayBuffer()).byteLength, address).toBeGreaterThan(0);
    const kept = address.startsWith("/pkg/") ? /immutable/ : /max-age=86400/;
    expect(answer.headers.get("cache-control"), address).toMatch(kept);
    kinds.set(address.replace(/^.*[/.]/, ""), answer.headers.get("content-type") ?? "");
  }
  expect(Object.fromEntries(kinds)).toEqual({
    css: "text/css; charset=utf-8",
    js: "text/javascript; charset=utf-8",
    svg: "image/svg+xml",
    wasm: "application/wasm",
  });
});

test("search engines are told to stay away", async () => {
  const answer = await fetch(`${sendlog.url}/robots.txt`);
  expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect(await answer.text()).toContain("Disallow: /");
});

test("what no page needs is not there", async () => {
  const page = await (await fetch(`${sendlog.url}/login`)).text();
  const script = page.match(/"(\/pkg\/[^"]+)\.js"/)?.[1];
  for (const address of [`${script}.d.ts`, `${script}.js.br`, `${script}_bg.wasm.d.ts`]) {
    expect((await fetch(sendlog.url + address)).status, address).toBe(404);
  }
});
