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
if (($#)); then
    exec scripts/with-postgres.sh cargo test --no-default-features --features ssr "$@"
fi
# Most of a library's test is waiting for its database: twice as many at once as there are cores take half the time. The others
# start servers and load them.
# shellcheck disable=SC2016 # The inner shell expands it.
scripts/with-postgres.sh bash -euc '
    RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) * 2))} cargo test --no-default-features --features ssr --lib
    cargo test --no-default-features --features ssr --bins --test "*"'
