#!/bin/sh
# The first process of a container has no default signal handlers: without this trap, a stop takes its whole grace period.
trap 'exit 0' TERM INT
[ "${FAIL_AT_START:-}" = '' ] || { echo "FAIL_AT_START is set" >&2; exit "$FAIL_AT_START"; }
httpd -f -p "${PORT:-8080}" -h /www &
wait $!
