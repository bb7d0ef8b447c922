#!/usr/bin/env bash
# A release to give away: the program for this machine's kind of processor, linked statically with musl, so that it runs on
# any Linux. Leaves in target/dist the archive and its checksum, and in target/dist/image what the container image holds.
# Needs what a build needs, and musl-gcc (Debian and Ubuntu: musl-tools).
set -euo pipefail
source "$(dirname "$0")/env.sh"

arch=$(uname -m)
case "$arch" in
    x86_64) platform=amd64 ;;
    aarch64) platform=arm64 ;;
    *) stop "releases are made for x86_64 and aarch64, not for $arch" ;;
esac
target=$arch-unknown-linux-musl
version=$(cargo metadata --locked --no-deps --format-version 1 | node -p 'JSON.parse(require("fs").readFileSync(0)).packages[0].version')
name=sendlog-$version-$arch-linux
certificates=/etc/ssl/certs/ca-certificates.crt

command -v musl-gcc >/dev/null || stop "musl-gcc is missing: on Debian and Ubuntu, apt-get install musl-tools"
[[ -e $certificates ]] || stop "$certificates is missing: on Debian and Ubuntu, apt-get install ca-certificates"
rustup target add "$target"

# Some kernels for this processor have pages of 64 KiB, which the allocator is to expect.
[[ $arch != aarch64 ]] || export JEMALLOC_SYS_WITH_LG_PAGE=16
say "building $name: what browsers load"
scripts/site.sh release
say "building $name: the program"
cargo build --locked --release --target "$target" --no-default-features --features ssr

say "packing target/dist/$name.tar.gz"
dist=target/dist
rm -rf "$dist/$name" "$dist/image/$platform"
mkdir -p "$dist/$name" "$dist/image/$platform/data"
cp "target/$target/release/sendlog" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$dist/$name"
cp -r ops "$dist/$name"
cp "target/$target/release/sendlog" "$certificates" "$dist/image/$platform"
# The same bytes from the same sources: no names, no times of this machine.
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" -C "$dist" -c "$name" |
    gzip -n9 >"$dist/$name.tar.gz"
rm -r "${dist:?}/$name"
(cd "$dist" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
