#!/bin/sh
# Writes the password to a file: on the command line, every process of the host could read it.
set -eu
password=''
[ -z "${REDIS_PASSWORD_FILE:-}" ] || password="requirepass $(cat "$REDIS_PASSWORD_FILE")"
printf '%s\n' "bind 0.0.0.0" "dir /data" "save 60 1000" "appendonly yes" "$password" >/tmp/redis.conf
for file in "$@"; do cat "$file" >>/tmp/redis.conf; done
exec redis-server /tmp/redis.conf
