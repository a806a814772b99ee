#!/bin/sh
# Starts the LAN: a network namespace with only a bridge. It ends when standard input closes.
set -eu

cd /
mount --make-rprivate /
mount -t proc proc /proc
ip link set lo up
ip link add name lan type bridge
ip addr add "$LAN_ADDRESS/24" dev lan
ip link set lan up
echo 'ready'
while read -r _; do :; done
