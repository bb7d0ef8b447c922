#!/usr/bin/env bash
# The store's contract, the routes and the authorization matrix on Citus: TEST_CITUS_URL holds the addresses of its nodes, the
# coordinator's first, with blanks between them. Each test has a database of its own on all of them. Arguments go to the tests.
set -euo pipefail
source "$(dirname "$0")/env.sh"

[[ ${TEST_CITUS_URL:-} ]] || { echo "error: TEST_CITUS_URL names no nodes: see docs/scaling.md" >&2; exit 1; }

say "building what browsers load, which the program holds"
scripts/site.sh release
say "running the tests of PostgreSQL on Citus"
# Plans are those of one PostgreSQL.
RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(nproc)} \
    cargo test --no-default-features --features ssr --lib postgres -- --skip query_plans "$@"
