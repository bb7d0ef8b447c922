#!/usr/bin/env bash
# A real Prometheus scrapes the program in target/debug (or SENDLOG_BIN) on a demo's data: the rules are right and hold to their
# examples, the numbers are as Prometheus wants them, and every query of the dashboard and of the rules finds something.
set -euo pipefail
source "$(dirname "$0")/env.sh"

program=${SENDLOG_BIN:-target/debug/sendlog}
folder=$(mktemp --directory)
pids=()

clean_up() {
    ((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm --recursive --force "$folder"
}
trap clean_up EXIT

# free_port: a port of loopback that nobody listens at.
free_port() {
    node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}

say "checking the rules"
promtool check rules ops/prometheus/sendlog.rules.yml >/dev/null || stop "promtool refuses ops/prometheus/sendlog.rules.yml"
promtool check config ops/prometheus/prometheus.yml >/dev/null || stop "promtool refuses ops/prometheus/prometheus.yml"
promtool test rules ops/prometheus/sendlog.rules.test.yml || stop "the rules do not hold to their examples"

say "starting a demo and Prometheus"
addr=127.0.0.1:$(free_port) metrics=127.0.0.1:$(free_port) prometheus=127.0.0.1:$(free_port)
"$program" demo --json --messages 500 --addr "$addr" --metrics-addr "$metrics" \
    >"$folder/demo.out" 2>"$folder/demo.log" &
pids+=($!)
cat >"$folder/prometheus.yml" <<YAML
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: ["$PWD/ops/prometheus/sendlog.rules.yml"]
scrape_configs:
  - job_name: sendlog
    static_configs: [{ targets: ["$metrics"] }]
YAML
prometheus --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/data" --web.listen-address="$prometheus" \
    2>"$folder/prometheus.log" &
pids+=($!)

demo_database=${TMPDIR:-/tmp}/sendlog-demo-${pids[0]}/sendlog.db
for ((tries = 0; tries < 300; tries++)); do
    [[ ! -s $folder/demo.out ]] || break
    sleep 0.1
done
team=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1], "utf8").split("\n")[0]).team' "$folder/demo.out") ||
    stop "the demo does not start: $(tail --lines 5 "$folder/demo.log")"
key=$("$program" admin create-key --database-url "sqlite://$demo_database" --team "$team" --name metrics --scope '*')

node scripts/query-metrics.mjs "http://$addr" "http://$metrics" "http://$prometheus" "$key" || {
    tail --lines 20 "$folder/demo.log" "$folder/prometheus.log" >&2
    stop "the numbers are not as they should be"
}
node -e 'fetch(process.argv[1]).then((answer) => answer.text()).then((text) => process.stdout.write(text))' "http://$metrics/metrics" |
    promtool check metrics ||
    stop "promtool does not like the numbers' names"
