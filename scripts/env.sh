# shellcheck shell=bash
# Sourced by the other scripts: the project's root becomes the working directory, its own tools come
# first on PATH, and `say` and `stop` speak to the user.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
export PATH="$PWD/tools/node_modules/.bin:$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"

# With the time, so that a log tells what took long.
say() { printf '%s ==> %s\n' "$(date +%T)" "$*"; }

stop() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
