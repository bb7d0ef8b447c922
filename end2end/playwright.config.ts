// Every test runs twice: with the islands alive, and with JavaScript off; Lighthouse once, alone, after all of them. The
// server under test is started by a fixture, one for each worker (fixtures.ts).

import { defineConfig, devices } from "@playwright/test";
import { systemChromium } from "./chromium.ts";

const lighthouse = "**/lighthouse.spec.ts";

export default defineConfig({
  testDir: "tests",
  outputDir: "test-results",
  fullyParallel: false,
  workers: 2,
  // Machines differ: what takes ten seconds on one takes forty on a busy one.
  timeout: 90_000,
  expect: { timeout: 15_000 },
  forbidOnly: Boolean(process.env.CI),
  retries: 0,
  reporter: [["list"]],
  use: {
    ...devices["Desktop Chrome"],
    viewport: { width: 1440, height: 900 },
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    launchOptions: systemChromium(),
    // A trace takes a fifth of the time: make test-e2e ARGS="--trace retain-on-failure" keeps those of failures.
    trace: "off",
    screenshot: "only-on-failure",
  },
  projects: [
    { name: "islands", testIgnore: lighthouse, use: { javaScriptEnabled: true } },
    { name: "no-script", testIgnore: lighthouse, use: { javaScriptEnabled: false } },
    { name: "lighthouse", testMatch: lighthouse, dependencies: ["islands", "no-script"] },
  ],
});
