// Starts the OpenID provider that people log in by, and tells it who there is.

import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("openid-provider-process.mjs", import.meta.url));

export interface Claims {
  email: string;
  /** Some providers write it as text. */
  email_verified: boolean | "true" | "false";
  name: string;
  groups: string[];
}

export class OpenIdProvider {
  private constructor(
    readonly issuer: string,
    private readonly process: ChildProcess,
  ) {}

  static async start(): Promise<OpenIdProvider> {
    const child = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "ignore"] });
    const issuer = await new Promise<string>((resolve, reject) => {
      child.stdout.once("data", (chunk) => resolve(String(chunk).trim()));
      child.once("exit", (code) => reject(new Error(`the OpenID provider ended with ${code}`)));
    });
    return new OpenIdProvider(issuer, child);
  }

  /** What Sendlog is started with to log people in by this provider. */
  args(...roles: string[]): string[] {
    return [
      ...["--oidc-issuer", this.issuer, "--oidc-client-id", "sendlog", "--oidc-name", "Example"],
      ...["--oidc-client-secret", "a secret between the two"],
      ...roles.flatMap((role) => ["--oidc-role", role]),
    ];
  }

  /** Says who there is from now on, by the names on the provider's log-in page. */
  async setPeople(people: Record<string, Claims>): Promise<void> {
    await fetch(`${this.issuer}/people`, { method: "PUT", body: JSON.stringify(people) });
  }

  async stop(): Promise<void> {
    const exited = new Promise((done) => this.process.once("exit", done));
    this.process.kill();
    await exited;
  }
}
