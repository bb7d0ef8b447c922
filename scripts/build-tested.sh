#!/usr/bin/env bash
# The program that the browser tests, the clients and schemathesis run against: target/debug/sendlog, which `cargo test`
# builds for its own tests too, with the release's site in it.
set -euo pipefail
source "$(dirname "$0")/env.sh"

scripts/site.sh release
cargo build --quiet --locked --no-default-features --features ssr
