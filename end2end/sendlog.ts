// The server under test: the program that the Rust tests are built with, on a free loopback port, in a temporary directory.
// SENDLOG_BIN names another, such as the release.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
export const binary = process.env.SENDLOG_BIN
  ? resolve(process.env.SENDLOG_BIN)
  : fileURLToPath(new URL("../target/debug/sendlog", import.meta.url));

const readyWithinMs = 20_000;
const stopWithinMs = 5_000;

export interface StartOptions {
  /** The program, if not the one under test where it was built. */
  program?: string;
  /** Further arguments for the command. */
  args?: string[];
  /** Further environment variables. */
  env?: Record<string, string>;
}

export class Sendlog {
  /** Everything the process has printed on standard output, and on standard error. */
  stdout = "";
  stderr = "";

  private constructor(
    readonly url: string,
    private readonly folder: string,
    private readonly process: ChildProcess,
    private readonly env: NodeJS.ProcessEnv,
  ) {
    process.stdout?.on("data", (chunk) => (this.stdout += chunk));
    process.stderr?.on("data", (chunk) => (this.stderr += chunk));
  }

  /** `sendlog serve` on a new database of its own. */
  static async serve(options: StartOptions = {}): Promise<Sendlog> {
    return Sendlog.start("serve", true, options);
  }

  /** `sendlog demo`, whose throw-away database it makes itself. */
  static async demo(options: StartOptions = {}): Promise<Sendlog> {
    return Sendlog.start("demo", false, options);
  }

  private static async start(
    command: "serve" | "demo",
    ownDatabase: boolean,
    { program = binary, args = [], env: extra = {} }: StartOptions,
  ): Promise<Sendlog> {
    const folder = await mkdtemp(join(tmpdir(), "sendlog-end2end-"));
    const addr = `127.0.0.1:${await freePort()}`;
    const url = `http://${addr}`;
    // The tests' mail servers are on this machine.
    const env: NodeJS.ProcessEnv = { ...withoutSettings(process.env), SENDLOG_ALLOW_PRIVATE_ADAPTERS: "true", ...extra };
    if (ownDatabase) {
      env.SENDLOG_DATABASE_URL = `sqlite://${folder}/sendlog.db`;
    }
    // Not the project's directory: the program must run from any.
    const child = spawn(program, [command, "--addr", addr, ...args], {
      cwd: folder,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const started = new Sendlog(url, folder, child, env);
    child.on("error", (error) => (started.stderr += `${error}\n`));
    try {
      await started.waitUntilReady();
    } catch (error) {
      await started.stop();
      throw error;
    }
    return started;
  }

  /** Runs `sendlog admin …` on the same database and returns its standard output. */
  async admin(args: string[], env: Record<string, string> = {}): Promise<string> {
    const { stdout } = await run(binary, ["admin", ...args], {
      cwd: this.folder,
      env: { ...this.env, ...env },
    });
    return stdout.trim();
  }

  /** Waits for a piece of standard output and returns the match. */
  async waitForOutput(pattern: RegExp, timeoutMs = readyWithinMs): Promise<RegExpMatchArray> {
    return this.waitFor(`output like ${pattern}`, timeoutMs, () => this.stdout.match(pattern));
  }

  /** Ends the process, by SIGTERM unless told otherwise, and removes its directory. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.process.pid !== undefined && !this.hasExited()) {
      const exited = new Promise((done) => this.process.once("exit", done));
      this.process.kill(signal);
      const timer = setTimeout(() => this.process.kill("SIGKILL"), stopWithinMs);
      await exited;
      clearTimeout(timer);
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  private async waitUntilReady(): Promise<void> {
    await this.waitFor("answer to GET /login", readyWithinMs, async () => {
      try {
        return (await fetch(`${this.url}/login`)).status < 500;
      } catch {
        return false;
      }
    });
  }

  private async waitFor<T>(
    what: string,
    timeoutMs: number,
    attempt: () => T | Promise<T>,
  ): Promise<NonNullable<T>> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const result = await attempt();
      if (result) {
        return result;
      }
      if (this.hasExited() || this.process.pid === undefined || Date.now() > deadline) {
        const state = this.hasExited() ? `it exited with ${this.process.exitCode}` : "no luck";
        throw new Error(`waiting for ${what}: ${state}\n${this.stdout}${this.stderr}`);
      }
      await new Promise((next) => setTimeout(next, 20));
    }
  }

  private hasExited(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }
}

/** The environment without the developer's own settings of Sendlog. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !name.startsWith("SENDLOG_")),
  );
}

/** A loopback port that nobody listens at. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
