#!/usr/bin/env bash
# Fuzzes the readers of files that users write: Compose files, variables in values, env files.
#   tests/fuzz.sh [SECONDS [TARGET...]]  fuzzes each target for SECONDS (60), one after another; all three by default
#   tests/fuzz.sh pack [TARGET...]       minimises the inputs of each target and writes its archive anew
# Needs a nightly compiler and a C++ compiler.
#
# The inputs of a target:
#   tests/fuzz/seeds/TARGET/NAME     seeds written by hand; each shows what its name says
#   tests/fuzz/corpus/TARGET.tar.gz  inputs that a fuzzer found and that reach more code than the seeds do
#   target/fuzz/corpus/TARGET/       the unpacked archive and new finds; not tracked
# The test `fuzz_corpus`, which tests/run.sh runs with the stable compiler, replays the seeds and the archives.
#
# An input that breaks a property is saved as target/fuzz/TARGET-crash-..., -timeout-... or -oom-.... To keep it:
#   1. Minimise it: cargo +nightly fuzz tmin --fuzz-dir tests/fuzz TARGET FILE, with target/lab-cache/cargo/bin in PATH.
#   2. Save the result as tests/fuzz/seeds/TARGET/NAME, named after what fails. `fuzz_corpus` fails now.
#   3. Write a test that fails for the same reason and says what is right. It belongs in `found_by_fuzzing.rs` among the
#      loader's tests, and is named after what failed.
#   4. Fix the code. Both tests pass now.
#
# Property tests keep their failing seeds by themselves, in `proptest-regressions/` or in `*.proptest-regressions` beside
# the test. Commit these files with the fix: they run before new cases do.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
cache=${LANDFAST_CACHE:-$PWD/target/lab-cache}
seconds=${1:-60}
[ $# -gt 1 ] && targets=("${@:2}") || targets=(project interpolation env_file)

# Runs a target over folders of inputs; what follows `--` goes to libFuzzer.
fuzz() {
  cargo +nightly fuzz run --fuzz-dir tests/fuzz "$@" -max_len=4096 -timeout=10 -rss_limit_mb=1024
}

# Adds the inputs of a target's archive to what was found on this machine.
unpack() {
  mkdir -p "target/fuzz/corpus/$1"
  tar -xzf "tests/fuzz/corpus/$1.tar.gz" -C "target/fuzz/corpus/$1"
}

run() {
  local target=$1 found=target/fuzz/corpus/$1
  fuzz "$target" "$found" "tests/fuzz/seeds/$target" -- \
    -dict="tests/fuzz/dictionaries/$target.dict" -max_total_time="$seconds" \
    -artifact_prefix="target/fuzz/$target-" -print_final_stats=1 2>&1 | tee "target/fuzz/$target.log" | tail -8
}

# Packs the fewest inputs that, with the seeds, reach all that the inputs of a target reach. Names are sorted, and times
# and owners left out: the same inputs give the same archive, byte for byte.
pack() {
  local target=$1 kept=target/fuzz/kept/$1 seed
  rm -rf "$kept"
  mkdir -p "$kept"
  cp "tests/fuzz/seeds/$target"/* "$kept"
  fuzz "$target" "$kept" "target/fuzz/corpus/$target" -- -set_cover_merge=1 2>&1 | tee "target/fuzz/$target.log" | tail -2
  for seed in "tests/fuzz/seeds/$target"/*; do rm "$kept/${seed##*/}"; done
  find "$kept" -type f -printf '%f\n' | LC_ALL=C sort |
    tar -C "$kept" -T - --format=ustar --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=0644 -c |
    gzip -n9 >"target/fuzz/$target.tar.gz"
  mv "target/fuzz/$target.tar.gz" "tests/fuzz/corpus/$target.tar.gz"
  printf '%s: %s seeds, %s archived inputs\n' "$target" \
    "$(find "tests/fuzz/seeds/$target" -type f | wc -l)" "$(find "$kept" -type f | wc -l)"
}

if [ ! -x "$cache/cargo/bin/cargo-fuzz" ]; then
  (cd / && cargo install --quiet --locked --root "$cache/cargo" cargo-fuzz)
fi
export PATH="$cache/cargo/bin:$PATH"
for target in "${targets[@]}"; do
  unpack "$target"
  if [ "$seconds" = pack ]; then
    echo "== $target, minimise and pack"
    pack "$target"
  else
    echo "== $target, $seconds s"
    run "$target"
  fi
done
