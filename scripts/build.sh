#!/usr/bin/env bash
# The release: target/release/sendlog, which holds all that it serves. Does nothing when nothing it is made of has changed
# since the last time.
set -euo pipefail
source "$(dirname "$0")/env.sh"

stamp=target/release/.sendlog-built
if [[ -x target/release/sendlog && -e $stamp && $(<"$stamp") == "$(rustc -V)" ]] &&
    [[ ! $(find Cargo.toml Cargo.lock .cargo build.rs src migrations style public tools/package-lock.json \
        tools/compress.mjs tools/bindgen scripts/build.sh scripts/site.sh -newer "$stamp" -print -quit) ]]; then
    exit 0
fi

say "building the release: what browsers load"
mkdir -p target/release
rustc -V >"$stamp.new" # dated before the build, so that a change made during it counts as a change
scripts/site.sh release
say "building the release: the server"
cargo build --locked --release --no-default-features --features ssr
mv "$stamp.new" "$stamp"
