#!/usr/bin/env bash
# The measurements, as programs in benches/, built like the release: bench.sh ROWS [ARGUMENT...], on SQLite and on PostgreSQL:
# that of SENDLOG_BENCH_DATABASE_URL, or a throw-away one, which writes as durably as one that serves. Arguments go to them.
set -euo pipefail
source "$(dirname "$0")/env.sh"

(($#)) || stop "usage: scripts/bench.sh ROWS [ARGUMENT...]"
bench=(cargo bench --locked --no-default-features --features ssr --bench log -- --rows)
(unset SENDLOG_BENCH_DATABASE_URL && "${bench[@]}" "$@")
[[ ! ${SENDLOG_BENCH_DATABASE_URL:-} ]] || exec "${bench[@]}" "$@"
export POSTGRES_SETTINGS="
fsync = on
full_page_writes = on
synchronous_commit = on
shared_buffers = 2GB
maintenance_work_mem = 1GB
max_wal_size = 8GB"
# shellcheck disable=SC2016 # the inner shell's
exec scripts/with-postgres.sh bash -c 'SENDLOG_BENCH_DATABASE_URL=$TEST_DATABASE_URL exec "$@"' _ "${bench[@]}" "$@"
