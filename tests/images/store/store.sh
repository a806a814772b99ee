#!/bin/sh
# Reads variables from the file STORE_CONFIG, then serves. Like a store that depends on other stores, it does not start
# unless every address in STORE_NEEDS answers.
set -eu
trap 'exit 0' TERM INT
if [ -n "${STORE_CONFIG:-}" ]; then
  # shellcheck source=/dev/null
  . "$STORE_CONFIG"
fi
export STORE_NEEDS STORE_NAME
for address in ${STORE_NEEDS:=}; do
  wget -q -O /dev/null "$address" || { echo "${STORE_NAME:=store} needs $address, which does not answer" >&2; exit 1; }
done
echo "${STORE_NAME:=store} listens on 8080" >&2
httpd -f -p 8080 -h /www &
wait $!
