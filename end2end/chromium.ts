// How the system's Chromium is found and started. Used by both Playwright configurations.

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { LaunchOptions } from "@playwright/test";

const finder = fileURLToPath(new URL("../scripts/find-chromium.sh", import.meta.url));

/** Launch options for the system's Chromium, quiet on the network. Throws when there is none. */
export function systemChromium(): LaunchOptions {
  return {
    executablePath: execFileSync(finder, { encoding: "utf8" }).trim(),
    // The sandbox refuses to run as root and in many containers; the tests open local pages only.
    chromiumSandbox: false,
    args: [
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  };
}
