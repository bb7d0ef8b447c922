// `npm run screenshots`: screenshots.ts is run by Playwright, but is no test of the suite.

import { defineConfig } from "@playwright/test";
import { systemChromium } from "./chromium.ts";

export default defineConfig({
  testDir: ".",
  testMatch: "screenshots.ts",
  outputDir: "test-results/screenshots",
  workers: 1,
  timeout: 120_000,
  reporter: [["list"]],
  use: { launchOptions: systemChromium(), locale: "en-GB", timezoneId: "Europe/Berlin" },
});
