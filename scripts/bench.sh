#!/usr/bin/env bash
# The measurements, as programs in benches/, built like the release. Arguments go to them.
set -euo pipefail
source "$(dirname "$0")/env.sh"

exec cargo bench --no-default-features --features ssr "$@"
