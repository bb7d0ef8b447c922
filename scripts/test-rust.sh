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
scripts/with-postgres.sh cargo test --no-default-features --features ssr "$@"
