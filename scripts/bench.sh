#!/usr/bin/env bash
# The measurements, as programs in benches/, built like the release: bench.sh ROWS [ARGUMENT...], on SQLite, and on the
# PostgreSQL of SENDLOG_BENCH_DATABASE_URL too where that is set. Arguments go to them.
set -euo pipefail
source "$(dirname "$0")/env.sh"

(($#)) || stop "usage: scripts/bench.sh ROWS [ARGUMENT...]"
bench() { cargo bench --locked --no-default-features --features ssr --bench log -- --rows "$@"; }
(unset SENDLOG_BENCH_DATABASE_URL && bench "$@")
[[ ! ${SENDLOG_BENCH_DATABASE_URL:-} ]] || bench "$@"
