#!/bin/sh
# Succeeds if every named secret exists and is long enough. Never prints the contents of a secret.
for name in "$@"; do
  size=$(wc -c <"/run/secrets/$name") || exit 1
  [ "$size" -ge 16 ] || { echo "the secret $name has only $size characters" >&2; exit 1; }
  echo "the secret $name is valid"
done
