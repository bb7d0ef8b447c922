#!/usr/bin/env bash
# The Rust tests, on SQLite and on PostgreSQL. Without arguments all of them; arguments go to cargo test, for the library's
# own tests, or, with `--test NAME`, for those of tests/, which drive the release.
set -euo pipefail
source "$(dirname "$0")/env.sh"

features=(--locked --release --no-default-features --features ssr)
# The library's tests stand on the dependencies of the release, compiled once for both. The library itself is compiled
# again with its tests: quickly, and so that it stops at what a debug build stops at.
library=(cargo test "${features[@]}" --lib
    --config 'profile.release.package.sendlog.opt-level=0'
    --config 'profile.release.package.sendlog.incremental=true'
    --config 'profile.release.package.sendlog.debug-assertions=true'
    --config 'profile.release.package.sendlog.overflow-checks=true')
program=(cargo test "${features[@]}")

case " $* " in
    "  ") suites=(library program) program+=(--test '*') ;;
    *" --test "*) suites=(program) ;;
    *)
        suites=(library)
        [[ $1 != --lib ]] || shift
        ;;
esac

[[ ${suites[*]} != *program* ]] || scripts/build.sh
# Built first, so that PostgreSQL is not kept waiting and a build's failure shows no server's clean-up.
for suite in "${suites[@]}"; do
    say "building the Rust tests: $suite"
    declare -n command=$suite
    "${command[@]}" --no-run "$@"
done
for suite in "${suites[@]}"; do
    say "running the Rust tests: $suite"
    declare -n command=$suite
    scripts/with-postgres.sh "${command[@]}" "$@"
done
