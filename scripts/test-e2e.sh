#!/usr/bin/env bash
# Playwright against the release in target/. Arguments go to `playwright test`.
set -euo pipefail
source "$(dirname "$0")/env.sh"

say "running the browser tests"
cd end2end
exec node_modules/.bin/playwright test "$@"
