// Waiting for what happens in its own time: tried again and again, up to a deadline, never a fixed sleep.

const withinMs = 20_000;
const betweenTriesMs = 20;

/** The first truthy result of `attempt`. When the deadline passes, throws and shows the last result. */
export async function waitFor(what, attempt, timeoutMs = withinMs) {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const result = await attempt();
    if (result) {
      return result;
    }
    if (Date.now() > deadline) {
      throw new Error(`no ${what} within ${timeoutMs} ms; the last answer was ${JSON.stringify(result)}`);
    }
    await new Promise((next) => setTimeout(next, betweenTriesMs));
  }
}
