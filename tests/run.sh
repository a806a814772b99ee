#!/usr/bin/env bash
# Runs every check that a change must pass: format, lints, documentation, spelling, scripts, dependencies, unit tests,
# Compose projects, and scenarios on the lab.
#   tests/run.sh                  all checks
#   tests/run.sh units            only the tests that need no lab; without tests/setup.sh
#   tests/run.sh scenarios [NAME] only the scenarios, or only those whose name contains NAME
# The last line says whether everything passed, and how many tests ran in each part. Exits with 0 only if no check failed.
# Requires Debian 12, root and cargo.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.." || exit 1
cache=${LANDFAST_CACHE:-$PWD/target/lab-cache}
only=${1:-all}
failed=()
ran=()
build=(test --workspace --no-run)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Runs one part and records a failure, so that one run reports everything that is wrong.
part() {
  local name=$1 started=$SECONDS count
  shift
  printf '\n== %s\n' "$name"
  "$@" | tee "$log" || {
    failed+=("$name")
    printf '== %s: FAILED\n' "$name"
  }
  count=$(count_tests "$name" "$log")
  [ -z "$count" ] || ran+=("$count")
  printf '== %s: %s s\n' "$name" $((SECONDS - started))
}

# Prints how many tests the output of a part reports: `1,204 units`, `81 scenarios (2 failed)`, or
# `1,534 Compose projects (1,067 planned again after up)`. Prints nothing for the output of other programs.
count_tests() {
  awk -v name="$1" '
    function grouped(n) { return n < 1000 ? n : grouped(int(n / 1000)) sprintf(",%03d", n % 1000) }
    /^test result: / { found = 1; passed += $4; failed += $6 }
    /^compose corpus: [0-9]+ as the reference/ { projects = $3 }
    /plan of [0-9]+ of [0-9]+ projects is empty after up \(/ { again = $3 }
    END {
      if (projects) print grouped(projects) " " name (again ? " (" grouped(again) " planned again after up)" : "")
      else if (found) print grouped(passed + failed) " " name (failed ? " (" failed " failed)" : "")
    }' "$2"
}

# Prints the arguments as one list: `a, b, c`.
list() {
  local rest=("${@:2}")
  printf '%s' "${1:-}" "${rest[@]/#/, }"
}

spelling() {
  git ls-files -z | xargs -0 "$cache/bin/typos" --force-exclude
}

scripts() {
  git ls-files -z '*.sh' .ci/run | xargs -0 "$cache/bin/shellcheck"
}

# Checks the links of all items. A link from a public item to a private one is an error too.
documentation() {
  RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --quiet --document-private-items
}

unused_dependencies() {
  "$cache/cargo/bin/cargo-machete" --skip-target-dir
}

# Checks the cores with the oldest compiler that the workspace supports. `just msrv` checks all crates, which takes minutes.
# For those, clippy finds what the standard library of that compiler lacks (`incompatible_msrv`), and tests/tests/house.rs
# finds dependencies that need a newer compiler.
oldest_compiler() {
  local version
  version=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
  if ! rustup run "$version" cargo --version 2>/dev/null &&
    ! RUST_BACKTRACE=0 timeout 300 rustup toolchain install "$version" --profile minimal --no-self-update; then
    echo "oldest compiler: NOT checked, Rust $version is not installed and cannot be fetched from here"
    return
  fi
  cargo "+$version" check --quiet -p landfast-core -p landfast-agent-core \
    --target-dir "${CARGO_TARGET_DIR:-target}/oldest-compiler"
}

# The advisory database is on the network. An unreachable database does not fail the change.
licences_and_advisories() {
  local deny=$cache/bin/cargo-deny report
  "$deny" --workspace check bans licenses sources || return 1
  if report=$("$deny" --workspace check advisories 2>&1); then
    echo 'advisories: checked, none'
  elif grep -qi -e 'failed to fetch advisory database' -e 'failed to acquire' -e 'unable to fetch' -e 'error sending request' <<<"$report"; then
    echo 'advisories: NOT checked, their database cannot be reached from here'
  else
    printf '%s\n' "$report"
    return 1
  fi
}

# Runs all tests but the scenarios, the only ones whose name begins with `sc`. Every command here names the whole workspace:
# cargo chooses the features of dependencies by the packages that it builds, and compiles many of them again for others.
units() {
  local status=0
  cargo test --workspace --no-fail-fast --lib --bins --test '[!s]*' --test 's[!c]*' || status=1
  cargo test --workspace --no-fail-fast --doc || status=1
  return $status
}

# Compiles the programs. The build of all tests contains them, and `units` has compiled nearly all of it.
build() {
  cargo "${build[@]}" --quiet
}

# Compares real Compose projects with the reference's answers, and plans each of them again after it was deployed to
# simulated hosts. The projects are not part of this repository.
compose_projects() {
  local corpus=../shared/compose-corpus landfast
  [ -d "$corpus" ] || { echo "compose corpus: NOT run, there is no $corpus"; return; }
  build || return 1
  landfast=$(realpath "${CARGO_TARGET_DIR:-target}")/$(rustc -vV | sed -n 's/^host: //p')/debug/landfast
  "$corpus/run_conformance.py" --corpus "$corpus/dev" --min-rate 0.99 --cmd "$landfast {args} config --format json {flags}" |
    sed 's/^\([0-9]*\) passed, \([0-9]*\) failed$/compose corpus: \1 as the reference, \2 not/' || return 1
  cargo test --quiet --workspace --test corpus -- --ignored --nocapture
}

scenarios() {
  build && cargo test --workspace --test scenarios -- --test-threads=1 "$@"
}

case $only in
  all)
    "$here/setup.sh" || exit 1
    part format cargo fmt --all --check
    part spelling spelling
    part scripts scripts
    part 'unused dependencies' unused_dependencies
    part 'licences and advisories' licences_and_advisories
    part lints cargo clippy --workspace --all-targets --quiet -- -D warnings
    part documentation documentation
    part 'oldest compiler' oldest_compiler
    part units units
    part 'Compose projects' compose_projects
    part scenarios scenarios
    ;;
  units)
    part units units
    ;;
  scenarios)
    "$here/setup.sh" || exit 1
    build=(build --workspace --bins)
    part scenarios scenarios "${@:2}"
    ;;
  *)
    echo 'usage: tests/run.sh [units | scenarios [NAME…]]' >&2
    exit 2
    ;;
esac

echo
counts=$(list "${ran[@]}")
if [ ${#failed[@]} = 0 ]; then
  echo "run: everything passed${counts:+: $counts}"
else
  echo "run: failed: $(list "${failed[@]}")${counts:+; ran $counts}"
  exit 1
fi
