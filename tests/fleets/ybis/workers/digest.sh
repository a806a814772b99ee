#!/bin/sh
# Copies the newest item of the inbox to the graph, under the given name.
trap 'exit 0' TERM
while :; do
  if [ -s /inbox/latest ] && wget -q -O /dev/null --post-data "$(cat /inbox/latest)" "http://graph:8080/cgi-bin/value/$1"; then
    touch /tmp/digested
  else
    echo 'the inbox is empty, or the graph does not answer' >&2
  fi
  sleep 1 &
  wait $!
done
