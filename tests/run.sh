#!/usr/bin/env bash
# Runs every check that a change must pass: format, lints, licences, unit tests, Compose projects, and scenarios on the
# lab.
#   tests/run.sh                  all checks
#   tests/run.sh scenarios [NAME] only the scenarios, or only those whose name contains NAME
# Exits with 0 only if no check failed. Requires Debian 12, root and cargo.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.." || exit 1
cache=${LANDFAST_CACHE:-$PWD/target/lab-cache}
only=${1:-all}
failed=()

# Runs one part and records a failure, so that one run reports everything that is wrong.
part() {
  local name=$1
  shift
  printf '\n== %s\n' "$name"
  if "$@"; then return; fi
  failed+=("$name")
  printf '== %s: FAILED\n' "$name"
}

# The advisory database is on the network. An unreachable database does not fail the change.
licences_and_advisories() {
  local deny
  if deny=$(command -v cargo-deny); then :; else
    deny=$cache/cargo/bin/cargo-deny
    [ -x "$deny" ] || (cd / && cargo install --quiet --locked --root "$cache/cargo" cargo-deny) || return 1
  fi
  "$deny" --workspace check bans licenses sources || return 1
  local report
  if report=$("$deny" --workspace check advisories 2>&1); then
    echo 'advisories: checked, none'
  elif grep -qi -e 'failed to fetch advisory database' -e 'failed to acquire' -e 'unable to fetch' -e 'error sending request' <<<"$report"; then
    echo 'advisories: NOT checked, their database cannot be reached from here'
  else
    printf '%s\n' "$report"
    return 1
  fi
}

# Compares real Compose projects with the reference's answers. The projects are not part of this repository.
corpus() {
  local corpus=../shared/compose-corpus landfast
  [ -d "$corpus" ] || { echo "compose corpus: NOT run, there is no $corpus"; return; }
  cargo build --quiet --bin landfast || return 1
  landfast=$(realpath "${CARGO_TARGET_DIR:-target}")/$(rustc -vV | sed -n 's/^host: //p')/debug/landfast
  "$corpus/run_conformance.py" --corpus "$corpus/dev" --min-rate 0.99 --cmd "$landfast {args} config --format json {flags}" |
    sed 's/^\([0-9]*\) passed, \([0-9]*\) failed$/compose corpus: \1 as the reference, \2 not/' || return 1
  cargo test --quiet -p landfast-tests --test corpus -- --ignored
}

scenarios() {
  cargo build --workspace --bins && cargo test -p landfast-tests --test scenarios -- --test-threads=1 "$@"
}

"$here/setup.sh" || exit 1
if [ "$only" = scenarios ]; then
  shift
  part scenarios scenarios "$@"
else
  part format cargo fmt --all --check
  part lints cargo clippy --workspace --all-targets --quiet -- -D warnings
  part 'licences and advisories' licences_and_advisories
  part units cargo test --workspace --exclude landfast-tests
  part 'units of the tests themselves' cargo test -p landfast-tests --lib --bins --test house --test keys --test circles --test fuzz_corpus
  part 'compose corpus' corpus
  part scenarios scenarios
fi

echo
if [ ${#failed[@]} = 0 ]; then
  echo 'run: everything passed'
else
  printf 'run: failed: %s\n' "${failed[@]}"
  exit 1
fi
