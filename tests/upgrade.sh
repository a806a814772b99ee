#!/usr/bin/env bash
# Tests the upgrade from the last version that had one state for each host: its agents and its coordinator deploy
# tests/fleets/infra, the new ones take over, and no container is created again.
# It builds that version from the history, so it needs a clone that is not shallow.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
# The last commit before the units.
version=51275eb6766bbe88fd6ea38ba8a21971ce1e658e
git cat-file -e "$version^{commit}" 2>/dev/null || {
  echo "upgrade.sh: this clone does not have the commit $version: fetch the whole history" >&2
  exit 1
}
"$here/setup.sh"
source=target/upgrade/source
git worktree prune
[ -d "$source" ] || git worktree add --detach "$source" "$version"
(cd "$source" && CARGO_TARGET_DIR=../build cargo build --quiet -p landfast -p landfast-agent --bins)
cargo build --quiet --workspace --bins
triple=$(rustc -vV | sed -n 's/^host: //p')
LANDFAST_OLD=$PWD/target/upgrade/build/$triple/debug \
  cargo test -p landfast-tests --test scenarios -- --ignored --exact \
  upgrade::the_new_version_takes_over_what_the_old_one_deployed_without_recreating_a_container
