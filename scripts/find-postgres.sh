#!/usr/bin/env bash
# Prints the folder of PostgreSQL's server programs (initdb, pg_ctl): from PATH, else the newest that
# Debian and Ubuntu keep under /usr/lib/postgresql.
set -euo pipefail

if initdb=$(command -v initdb) && command -v pg_ctl >/dev/null; then
    dirname "$initdb"
    exit 0
fi
for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort --version-sort --reverse); do
    if [[ -x $folder/initdb && -x $folder/pg_ctl ]]; then
        echo "$folder"
        exit 0
    fi
done
echo "error: no PostgreSQL server (initdb, pg_ctl) found: install one (apt-get install postgresql)," \
    "or set TEST_DATABASE_URL to a database the tests may fill" >&2
exit 1
