#!/bin/sh
# Writes a new item to the inbox every second, and publishes an event on the bus.
trap 'exit 0' TERM INT
count=0
while :; do
  count=$((count + 1))
  echo "item $count" >/inbox/.new && mv /inbox/.new /inbox/latest
  printf 'PUB items 3\r\nnew\r\nPING\r\n' | nc -w 2 bus 4222 | grep -q PONG || echo 'the bus does not answer' >&2
  sleep 1 &
  wait $!
done
