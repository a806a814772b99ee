#!/usr/bin/env bash
# Benchmarks release binaries against a peer, which is measured in the same run, or against a smaller fleet.
#   tests/bench.sh deploy [--quick]   8 services on one host, 24 on three; against docker-compose over SSH and bare API calls
#   tests/bench.sh config [--quick]   loads the largest projects of the corpus and a generated one; against docker-compose config
#   tests/bench.sh scale [--quick]    simulated agents on loopback addresses: 100 and 1,000, and 10,000 without --quick
#                                     (--hosts 10,100 for other numbers); needs no lab
# Prints a table and writes target/bench/<name>.json.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
[ $# -ge 1 ] || { echo 'usage: tests/bench.sh deploy|config|scale [--quick]' >&2; exit 2; }
target=${CARGO_TARGET_DIR:-target}/$(rustc -vV | sed -n 's/^host: //p')
if [ "$1" = scale ]; then
  # The engine is a part of the benchmark.
  cargo build --quiet --release -p landfast-tests --bin bench
  exec "$target/release/bench" "$@"
fi
"$here/setup.sh"
cargo build --quiet --release --bin landfast --bin landfast-agent
cargo build --quiet -p landfast-tests --bin bench
LANDFAST_PROFILE=release exec "$target/debug/bench" "$@"
