#!/bin/sh
# Makes the database that the variables ask for, if there is none, and serves it.
set -eu
data=/var/lib/postgresql/data

if [ "$(id -u)" = 0 ]; then
    chown postgres: "$data"
    POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
    export POSTGRES_PASSWORD
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0"
fi

if ! [ -e "$data/PG_VERSION" ]; then
    (umask 077 && printf %s "$POSTGRES_PASSWORD" >/tmp/password)
    # The variable is a list of options.
    # shellcheck disable=SC2086
    initdb --pgdata="$data" --username="$POSTGRES_USER" --pwfile=/tmp/password --encoding=UTF8 --locale=C.UTF-8 \
        $POSTGRES_INITDB_ARGS
    rm /tmp/password
    echo 'host all all all scram-sha-256' >>"$data/pg_hba.conf"
    echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -D "$data" postgres
fi
unset POSTGRES_PASSWORD
exec postgres -D "$data" -c 'listen_addresses=*' -c unix_socket_directories=/tmp
