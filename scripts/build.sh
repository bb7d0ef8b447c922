#!/usr/bin/env bash
# The release: target/release/sendlog, and in target/site the wasm, scripts and styles it serves.
# Does nothing when nothing it is made of has changed since the last time.
set -euo pipefail
source "$(dirname "$0")/env.sh"

stamp=target/release/.sendlog-built
if [[ -x target/release/sendlog && -d target/site && -e $stamp && $(<"$stamp") == "$(rustc -V)" ]] &&
    [[ ! $(find Cargo.toml Cargo.lock .cargo src migrations style public tools/package-lock.json \
        scripts/build.sh -newer "$stamp" -print -quit) ]]; then
    exit 0
fi

say "building the release"
mkdir -p target/release
rustc -V >"$stamp.new" # dated before the build, so that a change made during it counts as a change
cargo leptos build --release --precompress
mv "$stamp.new" "$stamp"
