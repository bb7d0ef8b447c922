#!/usr/bin/env bash
# Serves the development build; on every change, builds it again and starts it again. Arguments go to `sendlog serve`.
set -euo pipefail
source "$(dirname "$0")/env.sh"

server=
stop_server() {
    [[ $server ]] || return 0
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}
export SENDLOG_DEV_SITE=$PWD/target/site-debug
built=$(mktemp)
trap 'stop_server; rm -f "$built"' EXIT

while :; do
    touch "$built" # before the build, so that a change made during it counts as a change
    if scripts/site.sh debug && cargo build --no-default-features --features ssr; then
        stop_server
        target/debug/sendlog serve "$@" &
        server=$!
    else
        say "not built; waiting for a change"
    fi
    # A file that is gone leaves its folder newer.
    until [[ $(find Cargo.toml Cargo.lock .cargo build.rs src migrations style public -newer "$built" -print -quit) ]]; do
        sleep 0.5
    done
    say "something has changed"
done
