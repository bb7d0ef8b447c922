#!/usr/bin/env bash
# Installs what is missing for a build (`setup.sh build`), for the tests as well (`setup.sh test`), or for the documents' site
# alone (`setup.sh docs`).
# Says nothing when nothing is missing. What it cannot install it names, with the way to do it by hand.
# Nothing goes outside the project but the wasm target, rustfmt and clippy (by rustup) and, for the
# tests, the system packages of Chromium, PostgreSQL and Python (by apt).
set -euo pipefail
source "$(dirname "$0")/env.sh"

main() {
    case "${1:-build}" in
        build) set_up_build ;;
        test)
            set_up_build
            set_up_tests
            ;;
        docs) set_up_docs ;;
        *) stop "usage: scripts/setup.sh [build|test|docs]" ;;
    esac
}

set_up_build() {
    need_rust
    need node "Node.js is missing: install version 20 or newer, with npm, from https://nodejs.org"
    need npm "npm is missing: it comes with Node.js, https://nodejs.org"
    (($(node -p 'parseInt(process.versions.node)') >= 20)) ||
        stop "Node.js $(node --version) is too old: install version 20 or newer from https://nodejs.org"

    set_up_wasm_target
    npm_packages tools "sass and wasm-opt" --omit=optional
}

set_up_tests() {
    set_up_component rustfmt fmt
    set_up_component clippy clippy
    npm_packages end2end "Playwright's client"
    npm_packages clients/node "the npm clients of the dialects"

    local packages=()
    scripts/find-chromium.sh >/dev/null 2>&1 || packages+=("$(chromium_package)" fonts-liberation)
    [[ ${TEST_DATABASE_URL:-} ]] || scripts/find-postgres.sh >/dev/null 2>&1 || packages+=(postgresql)
    has_python || packages+=(python3 python3-venv)
    # A mail client of the command line, with what encrypts its connections.
    command -v swaks >/dev/null || packages+=(swaks libnet-ssleay-perl)
    # What opens sockets as systemd does, and looks at its units. It need not run.
    command -v systemd-socket-activate >/dev/null || packages+=(systemd)
    # An authority for certificates, and what the browser tests put before the server.
    command -v pebble >/dev/null || packages+=(pebble)
    command -v haproxy >/dev/null || [[ -x /usr/sbin/haproxy ]] || packages+=(haproxy)
    # With promtool.
    command -v prometheus >/dev/null || packages+=(prometheus)
    if ((${#packages[@]})); then
        apt_install "${packages[@]}"
        scripts/find-chromium.sh >/dev/null
        [[ ${TEST_DATABASE_URL:-} ]] || scripts/find-postgres.sh >/dev/null
    fi
    python_packages tools "linters of what packs a release and of links"
    python_packages clients/python "the PyPI clients of the dialects"
}

set_up_docs() {
    need_rust
    has_python || apt_install python3 python3-venv
    python_packages tools "linters of what packs a release and of links"
}

need_rust() {
    need cargo "Rust is missing: install it from https://rustup.rs"
    need cc "a C compiler is missing: on Debian and Ubuntu, apt-get install build-essential"
}

# need PROGRAM MESSAGE: stops with the message unless the program is on PATH.
need() {
    command -v "$1" >/dev/null || stop "$2"
}

set_up_wasm_target() {
    [[ ! -d $(rustc --print target-libdir --target wasm32-unknown-unknown) ]] || return 0
    need rustup "Rust's target wasm32-unknown-unknown is missing, and there is no rustup to add it: install your system's package of it, or Rust from https://rustup.rs"
    say "adding Rust's target wasm32-unknown-unknown"
    rustup target add wasm32-unknown-unknown ||
        stop "rustup could not add it; by hand: rustup target add wasm32-unknown-unknown"
}

# set_up_component COMPONENT SUBCOMMAND: a part of the Rust toolchain that a minimal install leaves out.
set_up_component() {
    ! cargo "$2" --version >/dev/null 2>&1 || return 0
    need rustup "$1 is missing, and there is no rustup to add it: install your system's package of it"
    say "adding Rust's component $1"
    rustup component add "$1" || stop "rustup could not add it; by hand: rustup component add $1"
}

# npm_packages FOLDER WHAT [NPM-OPTION...]: what the folder's lock file names, in its node_modules.
npm_packages() {
    local folder=$1 what=$2
    shift 2
    [[ ! $folder/node_modules/.package-lock.json -nt $folder/package-lock.json ]] || return 0
    say "installing $what in $folder/node_modules"
    PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 \
        npm --prefix "$folder" ci --ignore-scripts --no-audit --no-fund --loglevel=error "$@" ||
        stop "npm could not install $what; by hand: cd $folder && npm ci (it needs the npm registry)"
    touch "$folder/node_modules/.package-lock.json"
}

# The window-less build is the quicker one; not every system packages it.
chromium_package() {
    if apt-cache show chromium-headless-shell >/dev/null 2>&1; then
        echo chromium-headless-shell
    else
        echo chromium
    fi
}

# has_python: whether there is a Python that can make environments.
has_python() {
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1
}

# python_packages FOLDER WHAT: what the folder's requirements.txt names, in its .venv.
python_packages() {
    local folder=$1 what=$2 venv=$1/.venv
    if [[ $venv/.installed -nt $folder/requirements.txt ]] && "$venv/bin/python" -V >/dev/null 2>&1; then
        return 0
    fi
    has_python || stop "Python is missing, or cannot make environments: install version 3.11 or newer, with venv"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        stop "$(python3 -V) is too old: install version 3.11 or newer"
    say "installing $what in $venv"
    python3 -m venv --clear "$venv" || stop "python3 could not make $venv; by hand: python3 -m venv $venv"
    "$venv/bin/pip" install --quiet --no-input --disable-pip-version-check --no-deps \
        --requirement "$folder/requirements.txt" ||
        stop "pip could not install $what; by hand: $venv/bin/pip install -r $folder/requirements.txt (it needs PyPI)"
    touch "$venv/.installed"
}

# apt_install PACKAGE...: by apt as root or by a sudo that asks for nothing, else says how.
apt_install() {
    local by_hand="by hand, as root: apt-get install $*" as_root=()
    command -v apt-get >/dev/null ||
        stop "missing, and there is no apt to install it: $*; install Chromium (or Chrome), PostgreSQL, Python (3.11 or newer, with venv), swaks, systemd, pebble, HAProxy and Prometheus as your system does"
    if ((EUID != 0)); then
        sudo -n true 2>/dev/null || stop "missing: $*; $by_hand"
        as_root=(sudo -n)
    fi
    say "installing $* by apt"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    "${apt[@]}" update || say "apt-get update failed; trying with the lists there are"
    "${apt[@]}" install -y --no-install-recommends "$@" >/dev/null || stop "apt could not install them; $by_hand"
}

main "$@"
