#!/bin/sh
# Brings the newest item of the inbox into the graph.
trap 'exit 0' TERM INT
while :; do
  item=$(cat /inbox/latest)
  if wget -q -O /dev/null --post-data "$item" "http://graph:8080/cgi-bin/value/latest"; then
    touch /tmp/digested
  else
    echo 'the graph does not answer' >&2
  fi
  sleep 1 &
  wait $!
done
