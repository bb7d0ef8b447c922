// What every file of tests begins with: one server for all of them, the servers it sends to, and teams. When a test has
// failed, what the server printed is shown at the end.

import { after, afterEach, before } from "node:test";
import { Sendlog } from "./sendlog.js";
import { HttpTarget, SmtpTarget } from "./targets.js";
import { Team } from "./team.js";

/** How many requests a second the server of `limitedTeam` allows each key. */
export const rateLimit = 3;

/**
 * Call it once, at the top of the file. What it gives is filled in before the first test. `environment` gives variables
 * that the server is started with, `prepare` adds to what is filled in.
 */
export function setStage({ environment = async () => ({}), prepare = async () => {} } = {}) {
  const stage = {
    /** Makes a team whose log is empty. */
    makeTeam: () => Team.create(stage.sendlog, stage.smtp, stage.http),
    /** A team on a server that allows each key only `rateLimit` requests a second. */
    limitedTeam: async () => {
      limited ??= await Sendlog.serve("--rate-limit", String(rateLimit));
      return Team.create(limited, stage.smtp, stage.http);
    },
  };
  let limited;
  let failed = false;

  before(async () => {
    stage.smtp = await SmtpTarget.start();
    stage.http = await HttpTarget.start();
    stage.sendlog = await Sendlog.serveIn(await environment());
    stage.team = await stage.makeTeam();
    await prepare(stage);
  });

  afterEach((test) => {
    failed ||= !test.passed;
  });

  after(async () => {
    await stage.sendlog?.stop();
    await limited?.stop();
    await stage.smtp?.stop();
    await stage.http?.stop();
    if (failed) {
      console.error(`What the server printed:\n${stage.sendlog?.output ?? "nothing"}`);
    }
  });

  return stage;
}
