#!/usr/bin/env bash
# Runs a command with TEST_DATABASE_URL set: with-postgres.sh COMMAND [ARGUMENT...]
# Unless TEST_DATABASE_URL is set already, starts a throw-away PostgreSQL on a free loopback port and
# removes it afterwards. Nothing of it outlives the command, so it need not be durable: fsync is off, unless POSTGRES_SETTINGS,
# lines of postgresql.conf, says otherwise.
set -euo pipefail

(($#)) || { echo "usage: scripts/with-postgres.sh COMMAND [ARGUMENT...]" >&2; exit 2; }
[[ ! ${TEST_DATABASE_URL:-} ]] || exec "$@"

bin=$("$(dirname "$0")/find-postgres.sh")
folder=$(mktemp -d /tmp/sendlog-postgres.XXXXXX) # not TMPDIR: a socket's path may have 107 bytes

# PostgreSQL refuses to run as root.
as_user=()
if ((EUID == 0)); then
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    chown "$user" "$folder"
    as_user=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups env HOME="$folder")
fi
postgres() { (cd "$folder" && ${as_user[@]+"${as_user[@]}"} "$bin/$1" "${@:2}"); }

clean_up() {
    [[ ! -e $folder/data/postmaster.pid ]] ||
        postgres pg_ctl stop --pgdata "$folder/data" --mode immediate --silent || true
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A password, because every user of the machine can reach a loopback port; not scram, which costs the
# debug build of the tests a tenth of a second for each connection.
password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
(umask 077 && echo "$password" >"$folder/password")
((EUID != 0)) || chown "$user" "$folder/password"
postgres initdb --pgdata "$folder/data" --username postgres --pwfile "$folder/password" \
    --auth password --encoding UTF8 --locale C --no-sync >"$folder/log" 2>&1 ||
    { cat "$folder/log" >&2; echo "error: initdb failed" >&2; exit 1; }
cat >>"$folder/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$folder'
max_connections = 300
fsync = off
synchronous_commit = off
full_page_writes = off
${POSTGRES_SETTINGS:-}
CONF

# Between choosing a port and listening on it another program may take it: try a few.
started=
for _ in 1 2 3 4 5; do
    port=$((RANDOM % 20000 + 20000))
    ! (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null || continue
    if postgres pg_ctl start --pgdata "$folder/data" --log "$folder/data/server.log" --silent \
        --wait --options "-p $port" >/dev/null 2>&1; then
        started=1
        break
    fi
done
[[ $started ]] || { cat "$folder/data/server.log" >&2; echo "error: PostgreSQL did not start" >&2; exit 1; }

export TEST_DATABASE_URL="postgres://postgres:$password@127.0.0.1:$port/postgres"

# Search needs the extension; some systems have it in a package of its own.
if psql=$(command -v "$bin/psql" psql | head -n 1) &&
    [[ $("$psql" "$TEST_DATABASE_URL" -Atc "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'") == 0 ]]; then
    echo "error: PostgreSQL in $bin lacks the extension pg_trgm: install its contrib package" >&2
    exit 1
fi

"$@"
