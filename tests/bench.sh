#!/usr/bin/env bash
# Benchmarks release binaries against a peer; both are measured in the same run.
#   tests/bench.sh deploy [--quick]   8 services on one host, 24 on three; against docker-compose over SSH and bare API calls
#   tests/bench.sh config [--quick]   loads the largest projects of the corpus and a generated one; against docker-compose config
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
