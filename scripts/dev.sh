#!/usr/bin/env bash
# Serves the development build and rebuilds it on every change. Arguments go to `sendlog serve`.
set -euo pipefail
source "$(dirname "$0")/env.sh"

exec cargo leptos watch -- serve "$@"
