#!/usr/bin/env bash
# What browsers load beside the pages: script, WebAssembly, styles, icons. `site.sh release` leaves them in target/site,
# small and compressed, for the server to hold; `site.sh debug` in target/site-debug, from where the server that is being
# developed reads them.
set -euo pipefail
source "$(dirname "$0")/env.sh"

case "${1:-}" in
    release) output=release site=target/site ;;
    debug) output=debug site=target/site-debug ;;
    *) stop "usage: scripts/site.sh release|debug" ;;
esac
wasm=target/wasm32-unknown-unknown/$output/sendlog.wasm
bindgen=target/bindgen/debug/sendlog-bindgen

# The module's release is the server's, so that the macros of both are compiled once, but as small as can be.
options=() compiler_options=()
if [[ $1 == release ]]; then
    options=(--release --config 'profile.release.opt-level="z"' --config 'profile.release.codegen-units=1'
        --config 'profile.release.panic="abort"')
    compiler_options=(-C lto=fat)
fi

# Side by side, because the end of the module's release keeps one core busy and no more.
cargo build --quiet --locked --manifest-path tools/bindgen/Cargo.toml --target-dir target/bindgen &
cargo rustc --locked --lib --crate-type cdylib --target wasm32-unknown-unknown --no-default-features --features hydrate \
    ${options[@]+"${options[@]}"} -- ${compiler_options[@]+"${compiler_options[@]}"}
wait $!

# Made again only when something it is made of has changed, and put in its place at once.
made=$site.made
if [[ -d $site && -e $made &&
    ! $(find "$wasm" "$bindgen" style public tools/package-lock.json tools/compress.mjs scripts/site.sh \
        -newer "$made" -print -quit) ]]; then
    exit 0
fi
rm -rf "$site.new"
mkdir -p "$site.new"
touch "$made.new" # dated before, so that a change made meanwhile counts as a change
"$bindgen" "$wasm" "$site.new"
sass --no-source-map --style=compressed style/main.scss "$site.new/sendlog.css"
cp public/* "$site.new"
if [[ $1 == release ]]; then
    # What the compiler takes for granted of browsers.
    wasm-opt -Oz --enable-bulk-memory --enable-nontrapping-float-to-int \
        "$site.new/sendlog_bg.wasm" -o "$site.new/sendlog_bg.wasm"
    node tools/compress.mjs "$site.new"
fi
# What has come out the same stays as it is, so that the server is not built again for it.
if ! diff -rq "$site" "$site.new" >/dev/null 2>&1; then
    rm -rf "$site"
    mv "$site.new" "$site"
fi
rm -rf "$site.new"
mv "$made.new" "$made"
