#!/usr/bin/env bash
# The Rust tests, on SQLite and on PostgreSQL. Arguments go to cargo test.
set -euo pipefail
source "$(dirname "$0")/env.sh"

# Built first, so that PostgreSQL is not kept waiting and a build's failure shows no server's clean-up.
say "building what browsers load, which the program holds"
scripts/site.sh release
say "building the Rust tests"
cargo test --no-default-features --features ssr --no-run
say "running the Rust tests"
# Most of a test is waiting for its database: twice as many at once as there are cores take half the time.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) * 2))}
scripts/with-postgres.sh cargo test --no-default-features --features ssr "$@"
