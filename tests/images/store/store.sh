#!/bin/sh
# Reads the file STORE_CONFIG as variables, then serves. It does not start while one of the addresses STORE_NEEDS is silent,
# as a store that keeps its parts elsewhere does not.
set -eu
trap 'exit 0' TERM INT
if [ -n "${STORE_CONFIG:-}" ]; then
  . "$STORE_CONFIG"
fi
export STORE_NEEDS STORE_NAME
for address in ${STORE_NEEDS:=}; do
  wget -q -O /dev/null "$address" || { echo "${STORE_NAME:=store} needs $address, which does not answer" >&2; exit 1; }
done
echo "${STORE_NAME:=store} listens on 8080" >&2
httpd -f -p 8080 -h /www &
wait $!
