#!/usr/bin/env bash
# Fuzzes what parses people's files: compose files, variables in values, env files.
#   tests/fuzz.sh [SECONDS [TARGET…]]   each target for that long (60), one after another; all three when none is named
# Needs a nightly compiler. New finds go to target/fuzz/corpus/TARGET, what crashes to target/fuzz/TARGET-…; the corpus that
# is kept is tests/fuzz/corpus. `cargo fuzz cmin` makes a small corpus of a large one.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
cache=${LANDFAST_CACHE:-$PWD/target/lab-cache}
seconds=${1:-60}
[ $# -gt 1 ] && targets=("${@:2}") || targets=(project interpolation env_file)

if [ ! -x "$cache/cargo/bin/cargo-fuzz" ]; then
  (cd / && cargo install --quiet --locked --root "$cache/cargo" cargo-fuzz)
fi
export PATH="$cache/cargo/bin:$PATH"
for target in "${targets[@]}"; do
  found=target/fuzz/corpus/$target
  mkdir -p "$found"
  echo "== $target, $seconds s"
  cargo +nightly fuzz run --fuzz-dir tests/fuzz "$target" "$found" "tests/fuzz/corpus/$target" -- \
    -dict="tests/fuzz/dictionaries/$target.dict" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=1024 \
    -artifact_prefix="target/fuzz/$target-" -print_final_stats=1 2>&1 | tee "target/fuzz/$target.log" | tail -8
done
