// A real reverse proxy before a Sendlog: HAProxy, which serves it under a path beside another app. It passes the path on or
// takes it away.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The path that Sendlog is under. */
export const mount = "/sendlog";

export class ReverseProxy {
  private constructor(
    /** What people open. */
    readonly url: string,
    private readonly folder: string,
    private readonly process: ChildProcess,
  ) {}

  /** Before the server at `addr`, at this port of the loopback. */
  static async start(port: number, addr: string, takesPathAway: boolean): Promise<ReverseProxy> {
    const folder = await mkdtemp(join(tmpdir(), "sendlog-proxy-"));
    const settings = join(folder, "haproxy.cfg");
    await writeFile(
      settings,
      `global
    maxconn 256
defaults
    mode http
    timeout connect 5s
    timeout client 75s
    timeout server 75s
    option forwardfor
frontend door
    bind 127.0.0.1:${port}
    use_backend other if !{ path ${mount} } !{ path_beg ${mount}/ }
    default_backend sendlog
backend sendlog
${takesPathAway ? `    http-request replace-path ${mount}/?(.*) /\\1\n` : ""}    server one ${addr}
backend other
    http-request return status 404 content-type text/plain string "another app"
`,
    );
    const path = `${process.env.PATH}:/usr/sbin`;
    const child = spawn("haproxy", ["-db", "-q", "-f", settings], { env: { ...process.env, PATH: path }, stdio: "inherit" });
    const failed = new Promise<never>((_, reject) =>
      child.once("error", (cause) => reject(new Error(`${cause}: scripts/setup.sh test installs haproxy`))),
    );
    const started = new ReverseProxy(`http://127.0.0.1:${port}${mount}`, folder, child);
    await Promise.race([started.untilItAnswers(), failed]);
    return started;
  }

  async stop(): Promise<void> {
    const exited = new Promise((done) => this.process.once("exit", done));
    this.process.kill("SIGKILL");
    await exited;
    await rm(this.folder, { recursive: true, force: true });
  }

  private async untilItAnswers(): Promise<void> {
    for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
      const answers = await fetch(`${this.url}/login`).then((answer) => answer.ok, () => false);
      if (answers) {
        return;
      }
      await new Promise((next) => setTimeout(next, 50));
    }
    throw new Error(`nobody answers at ${this.url}`);
  }
}
