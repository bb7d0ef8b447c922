#!/usr/bin/env bash
# Playwright against the program in target/debug (or SENDLOG_BIN). Arguments go to `playwright test`.
set -euo pipefail
source "$(dirname "$0")/env.sh"

say "running the browser tests"
cd end2end
exec node_modules/.bin/playwright test "$@"
