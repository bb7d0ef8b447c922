#!/usr/bin/env bash
# The dialects, driven by the clients that others publish, against the release in target/ (or SENDLOG_BIN).
# test-clients.sh [node|python] [ARGUMENT...]: both, or one; further arguments go to `node --test` or to pytest.
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

case "${1:-}" in
    node) run_node "${@:2}" ;;
    python) run_python "${@:2}" ;;
    "")
        run_node
        run_python
        ;;
    *) stop "usage: scripts/test-clients.sh [node|python] [ARGUMENT...]" ;;
esac
