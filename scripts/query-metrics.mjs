// Sends a message by the demo, then asks Prometheus every query of the dashboard and of the rules. Called by test-metrics.sh:
// query-metrics.mjs SENDLOG METRICS PROMETHEUS KEY, where the key may send.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const [, , sendlog, metrics, prometheus, key] = process.argv;

// What finds nothing while all is well, or without what a demo has not, with the reason.
const MAY_BE_EMPTY = [
  [/sendlog_hook_posts_total/, "no provider posts to a demo"],
  [/sendlog_last_backup_timestamp_seconds/, "a demo makes no backups"],
  [/sendlog_retention_steps_total/, "a demo's data is too young to be deleted"],
];

/** Tries until something comes of it, for so many seconds. */
async function eventually(what, seconds, attempt) {
  const end = Date.now() + seconds * 1000;
  let last = "";
  while (Date.now() < end) {
    try {
      const found = await attempt();
      if (found) return found;
    } catch (error) {
      last = String(error);
    }
    await sleep(200);
  }
  throw new Error(`${what}: not within ${seconds} s ${last}`);
}

async function ask(query) {
  const answer = await fetch(`${prometheus}/api/v1/query?query=${encodeURIComponent(query)}`);
  const { status, data, error } = await answer.json();
  if (status !== "success") throw new Error(`${query}: ${error}`);
  return data.result;
}

/** The dashboard's queries, with its variables as a browser would fill them in. */
function dashboardQueries() {
  const { panels } = JSON.parse(readFileSync("ops/grafana/sendlog.json", "utf8"));
  const targets = panels.flatMap((panel) => (panel.targets ?? []).map(({ expr }) => [panel.title, expr]));
  const filled = (expr) =>
    expr.replaceAll("$job", ".*").replaceAll("$instance", ".*").replaceAll("$__rate_interval", "30s");
  return targets.map(([title, expr]) => [`dashboard, ${title}`, filled(expr)]);
}

/** Every number that the rules look at: whole, a rule finds nothing while all is well. */
async function ruleQueries() {
  const { data } = await (await fetch(`${prometheus}/api/v1/rules`)).json();
  const rules = data.groups.flatMap((group) => group.rules);
  if (rules.length === 0) throw new Error("Prometheus has no rules");
  for (const rule of rules) if (rule.health === "err") throw new Error(`${rule.name}: ${rule.lastError}`);
  return rules.flatMap((rule) => {
    const names = new Set(rule.query.match(/\b(sendlog|process|up)\w*(?=[{[) ])/g));
    if (names.size === 0) throw new Error(`${rule.name} looks at nothing`);
    return [...names].map((name) => [`rule ${rule.name}`, name]);
  });
}

for (let count = 0; count < 5; count += 1) {
  const message = { from: "a@example.com", to: ["b@example.com"], subject: `Number ${count}`, text: "Hello" };
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const answer = await fetch(`${sendlog}/resend/emails`, { method: "POST", headers, body: JSON.stringify(message) });
  if (!answer.ok) throw new Error(`sending: ${answer.status} ${await answer.text()}`);
  await fetch(`${sendlog}/login`);
  await sleep(1000);
}
await eventually("attempts that Prometheus saw", 20, async () => {
  const found = await ask('sum(rate(sendlog_attempts_total{outcome="sent"}[30s])) > 0');
  return found.length > 0;
});

let wrong = 0;
const queries = [...dashboardQueries(), ...(await ruleQueries())];
for (const [where, query] of queries) {
  const found = await ask(query).catch((error) => String(error));
  if (typeof found === "string") {
    console.error(`${where}: ${found}`);
    wrong += 1;
  } else if (found.length === 0 && !MAY_BE_EMPTY.some(([pattern]) => pattern.test(query))) {
    console.error(`${where} finds nothing: ${query}`);
    wrong += 1;
  }
}
const firing = await ask('ALERTS{alertstate="firing"}');
if (firing.length > 0) {
  console.error(`alarms on a demo: ${firing.map(({ metric }) => metric.alertname).join(", ")}`);
  wrong += 1;
}
console.log(`${queries.length} queries asked, ${wrong} in vain`);
process.exit(wrong === 0 ? 0 : 1);
