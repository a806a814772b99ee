#!/usr/bin/env bash
# Builds the images of the lab and the quickstart from Debian packages, as archives that an engine can load.
#   build.sh CACHE [NAME…]                 builds the missing archives, of all images or of those named
#   build.sh --load SOCKET CACHE [NAME…]   also loads them into the engine at this socket
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
socket=''
if [ "${1:-}" = --load ]; then
  socket=$2
  shift 2
fi
[ $# -ge 1 ] || { echo 'usage: build.sh [--load SOCKET] CACHE [NAME…]' >&2; exit 2; }
cache=$1
shift
python=python3
[ -x /usr/bin/python3 ] && python=/usr/bin/python3
"$python" "$here/build.py" "$cache" "$@"
[ -n "$socket" ] || exit 0

# Use the engine's API, so that no docker client is needed.
api() { curl -sS --fail-with-body --unix-socket "$socket" "$@"; }
for archive in "$cache"/*.tar; do
  file=$(basename "$archive" .tar)
  name=${file%-*} tag=${file##*-}
  [ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
  # The marker contains the key of the loaded archive, because an older image may have the same name.
  marker=$cache/loaded-$(printf '%s' "$socket $file" | sha256sum | cut -c1-16)
  if [ -e "$marker" ] && cmp -s "$marker" "$cache/$file.key" &&
    api -o /dev/null "http://engine/images/landfast/$name:$tag/json" 2>/dev/null; then continue; fi
  answer=$(api -X POST -H 'Content-Type: application/x-tar' -T "$archive" 'http://engine/images/load?quiet=1')
  case $answer in
    *errorDetail*) echo "images: the engine refused $file: $answer" >&2; exit 1 ;;
  esac
  cp "$cache/$file.key" "$marker"
done
