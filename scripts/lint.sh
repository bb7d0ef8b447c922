#!/usr/bin/env bash
# What can be said of the code without running it, quickest first. Warnings are errors.
set -euo pipefail
source "$(dirname "$0")/env.sh"

say "formatting"
cargo fmt --check
cargo fmt --check --manifest-path tools/bindgen/Cargo.toml
cargo fmt --check --manifest-path tools/mdbook/Cargo.toml
# No clippy there: it would build the clients' HTTP stack once more, to look at tests that test-clients.sh compiles.
cargo fmt --check --manifest-path clients/rust/Cargo.toml
say "what packs a release"
linters=tools/.venv/bin
"$linters/check-jsonschema" --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
"$linters/check-jsonschema" --quiet --builtin-schema vendor.compose-spec compose.yaml
# Its hint that a workflow of the repository's own be written `$/…`: newer than the schema knows.
"$linters/zizmor" --offline --quiet --min-severity medium .github/workflows
"$linters/hadolint" Dockerfile
scripts/docs.sh
say "types of the browser tests"
npm --prefix end2end run --silent check
say "clippy, server"
# The benches are named: what is no test of `cargo test` is none of --all-targets.
cargo clippy --locked --no-default-features --features ssr --lib --bins --tests --bench log -- -D warnings
say "clippy, browser"
cargo clippy --no-default-features --features hydrate --lib --target wasm32-unknown-unknown -- -D warnings
say "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --no-default-features --features ssr
