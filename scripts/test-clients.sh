#!/usr/bin/env bash
# The dialects, driven by the clients that others publish, against the program in target/debug (or SENDLOG_BIN).
# test-clients.sh [node|python|rust] [ARGUMENT...]: all, or one; further arguments go to `node --test`, to pytest or to
# `cargo test`.
set -euo pipefail
source "$(dirname "$0")/env.sh"

run_node() {
    say "running the tests with npm's clients"
    (cd clients/node && node --test "$@" tests/*.test.js)
}

run_python() {
    say "running the tests with PyPI's clients"
    (cd clients/python && .venv/bin/python -m pytest "$@")
}

run_rust() {
    say "running the tests with crates.io's clients"
    cargo test --quiet --locked --manifest-path clients/rust/Cargo.toml --target-dir target/clients "$@"
}

case "${1:-}" in
    node) run_node "${@:2}" ;;
    python) run_python "${@:2}" ;;
    rust) run_rust "${@:2}" ;;
    "")
        run_node
        run_python
        run_rust
        ;;
    *) stop "usage: scripts/test-clients.sh [node|python|rust] [ARGUMENT...]" ;;
esac
