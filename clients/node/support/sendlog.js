// The server under test: the program that the Rust tests are built with, on free loopback ports, in a temporary folder.
// SENDLOG_BIN names another, such as the release.

import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { waitFor } from "./waiting.js";

const run = promisify(execFile);
const binary = process.env.SENDLOG_BIN
  ? resolve(process.env.SENDLOG_BIN)
  : fileURLToPath(new URL("../../../target/debug/sendlog", import.meta.url));

const prefixes = {
  sendwithus: "/sendwithus/api/v1",
  resend: "/resend",
  jetemail: "/jetemail",
  notificationapi: "/notificationapi",
};
const dialects = Object.keys(prefixes);
const stopWithinMs = 5_000;

export class Sendlog {
  /** Everything the server has printed. */
  output = "";
  #folder;
  #env;
  #process;
  #ports;

  /** `sendlog serve` on a new database, with every dialect at an address of its own as well. */
  static async serve(...args) {
    return Sendlog.serveIn({}, ...args);
  }

  /** The same with other variables in its environment; `undefined` takes one away. */
  static async serveIn(environment, ...args) {
    const sendlog = new Sendlog();
    await sendlog.#start(environment, args);
    return sendlog;
  }

  /** The root of a dialect's own address. */
  ownUrl(dialect) {
    return `http://127.0.0.1:${this.#ports[dialect]}`;
  }

  /** Where a dialect is on the main address. */
  prefixedUrl(dialect) {
    return this.url + prefixes[dialect];
  }

  /** Runs `sendlog admin …` on the same database and gives the JSON it prints. */
  async admin(args, env = {}) {
    const options = { cwd: this.#folder, env: { ...this.#env, ...env } };
    const { stdout } = await run(binary, ["admin", ...args, "--json"], options);
    return JSON.parse(stdout);
  }

  /** Ends the server and removes its folder. */
  async stop() {
    if (this.#process.pid !== undefined && !this.#hasExited()) {
      const exited = new Promise((done) => this.#process.once("exit", done));
      this.#process.kill("SIGTERM");
      const timer = setTimeout(() => this.#process.kill("SIGKILL"), stopWithinMs);
      await exited;
      clearTimeout(timer);
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #start(environment, args) {
    this.#folder = await mkdtemp(join(tmpdir(), "sendlog-clients-"));
    const [main, ...own] = await freePorts(1 + dialects.length);
    this.url = `http://127.0.0.1:${main}`;
    this.#ports = Object.fromEntries(dialects.map((dialect, index) => [dialect, own[index]]));
    // The developer's own settings are not the test's.
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("SENDLOG_"));
    this.#env = {
      ...Object.fromEntries(inherited),
      SENDLOG_DATABASE_URL: `sqlite://${this.#folder}/sendlog.db`,
      ...environment,
    };
    const addresses = dialects.flatMap((dialect) => [
      "--dialect-addr",
      `${dialect}=127.0.0.1:${this.#ports[dialect]}`,
    ]);
    const command = ["serve", "--allow-private-adapters", "--addr", `127.0.0.1:${main}`, ...addresses, ...args];
    this.#process = spawn(binary, command, {
      cwd: this.#folder,
      env: this.#env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process.stdout.on("data", (chunk) => (this.output += chunk));
    this.#process.stderr.on("data", (chunk) => (this.output += chunk));
    this.#process.on("error", (error) => (this.output += `${error}\n`));
    try {
      await waitFor("answer of the server", () => this.#isReady());
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async #isReady() {
    if (this.#hasExited() || this.#process.pid === undefined) {
      throw new Error(`the server ended with status ${this.#process.exitCode}:\n${this.output}`);
    }
    try {
      return (await fetch(`${this.url}/login`)).status < 500;
    } catch {
      return false;
    }
  }

  #hasExited() {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }
}

/** Free loopback ports, all different: all are held until the last is known. */
export async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer());
  const listening = (server) => new Promise((done) => server.listen(0, "127.0.0.1", done));
  await Promise.all(servers.map(listening));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
