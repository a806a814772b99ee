#!/usr/bin/env bash
# Figures beside a peer, both measured here and now, with release binaries.
#   tests/bench.sh deploy [--quick]   8 services to one host, 24 to three; beside docker-compose over SSH and the bare API
#   tests/bench.sh config [--quick]   loading the largest projects of the corpus, and a generated one; beside docker-compose config
# Prints a table and writes target/bench/<name>.json.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
[ $# -ge 1 ] || { echo 'usage: tests/bench.sh deploy|config [--quick]' >&2; exit 2; }
"$here/setup.sh"
cargo build --quiet --release --bin landfast --bin landfast-agent
cargo build --quiet -p landfast-tests --bin bench
target=${CARGO_TARGET_DIR:-target}/$(rustc -vV | sed -n 's/^host: //p')
LANDFAST_PROFILE=release exec "$target/debug/bench" "$@"
