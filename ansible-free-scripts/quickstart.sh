#!/usr/bin/env bash
# Tries Landfast on this machine: one host with a gateway, PostgreSQL, Redis and an application on infra_net.
#   quickstart.sh           builds Landfast, finds or starts an engine, deploys; a second run changes nothing
#   quickstart.sh --clean   removes everything that it created
# Uses this machine's Docker if it answers. Otherwise, as root on Debian, installs the engine from the Debian package and
# starts it in its own network namespace, so that this machine's firewall and networks do not change.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/.." && pwd)
folder=$root/.landfast-quickstart
fleet=$folder/fleet
landfast=$folder/landfast
cache=${LANDFAST_CACHE:-$root/target/lab-cache}
network=lf-quickstart
network_address=10.79.219.2
images=(haproxy postgres redis app)

say() { printf '\n> %s\n' "$*" >&2; }
fail() {
  printf 'quickstart: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
  exit 1
}

# Waits until a command succeeds: wait_until "description" seconds command…
wait_until() {
  local what=$1 limit=$((SECONDS + $2))
  shift 2
  until "$@"; do
    [ $SECONDS -lt $limit ] || fail "timed out waiting until $what" "see the logs in $folder/*.log"
    sleep 0.2
  done
}

# Checks that the process of a pid file is still the expected program, because process ids are reused.
is_running() {
  local pid
  pid=$(cat "$folder/$1.pid" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ]
}

end_process() {
  is_running "$1" "$2" || { rm -f "$folder/$1.pid"; return 0; }
  local pid
  pid=$(cat "$folder/$1.pid")
  kill "$pid"
  for _ in $(seq 150); do
    is_running "$1" "$2" || break
    sleep 0.2
  done
  ! is_running "$1" "$2" || kill -KILL "$pid"
  rm -f "$folder/$1.pid"
}

api() { curl -sS --fail --max-time 60 --unix-socket "$socket" "$@"; }
answers() { [ -S "$1" ] && curl -sS --fail --max-time 5 --unix-socket "$1" http://engine/_ping >/dev/null 2>&1; }
in_network() { if [ -e "/run/netns/$network" ]; then nsenter "--net=/run/netns/$network" "$@"; else "$@"; fi; }

# Selects this machine's Docker, or the engine that this script started.
find_engine() {
  local own=${DOCKER_HOST:-unix:///var/run/docker.sock}
  own=${own#unix://}
  if [ ! -e "/run/netns/$network" ] && answers "$own"; then
    socket=$own
    address=127.0.0.1
  else
    socket=$folder/docker.sock
    address=$network_address
  fi
}

# Installs missing packages without starting services, and records them so that --clean can remove them.
install_engine() {
  command -v dockerd >/dev/null && command -v nsenter >/dev/null && command -v iptables >/dev/null && return
  command -v apt-get >/dev/null || fail 'Docker is not installed, and there is no apt-get to install it' 'install Docker and run this script again'
  say 'installing the engine from the Debian package (no service is started)'
  dpkg-query -W -f '${Package}\n' | sort >"$folder/packages.before"
  local policy=/usr/sbin/policy-rc.d made_policy=''
  [ -e "$policy" ] || { made_policy=yes; printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod 755 "$policy"; }
  local status=0
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io iptables iproute2 tini; } \
    >"$folder/apt.log" 2>&1 || status=$?
  [ -z "$made_policy" ] || rm -f "$policy"
  dpkg-query -W -f '${Package}\n' | sort | comm -13 "$folder/packages.before" - >>"$folder/packages"
  rm -f "$folder/packages.before"
  [ $status = 0 ] || fail 'apt-get cannot install docker.io' "see $folder/apt.log"
}

start_engine() {
  answers "$socket" && return
  [ "$(id -u)" = 0 ] || fail 'Docker does not answer on this machine, and starting an engine requires root' 'start Docker, or run this script as root'
  install_engine
  say "starting an engine in the network namespace $network"
  if [ ! -e "/run/netns/$network" ]; then
    ip netns add "$network"
    ip link add "$network" type veth peer name eth0 netns "$network"
    ip addr add "${network_address%.*}.1/30" dev "$network"
    ip link set "$network" up
    in_network sh -c "ip link set lo up; ip addr add $network_address/30 dev eth0; ip link set eth0 up"
    in_network ip route add default via "${network_address%.*}.1"
  fi
  # `ip netns exec` would hide the control groups. An empty configuration replaces this machine's settings.
  echo '{}' >"$folder/daemon.json"
  mkdir -p /run/landfast-quickstart
  in_network setsid dockerd --config-file "$folder/daemon.json" --data-root "$folder/docker" --exec-root /run/landfast-quickstart \
    --pidfile "$folder/engine.pid" --host "unix://$socket" >>"$folder/engine.log" 2>&1 </dev/null &
  wait_until 'the engine answers' 60 answers "$socket"
}

build() {
  command -v cargo >/dev/null || fail 'cargo is not installed' 'install Rust from https://rustup.rs'
  say 'building landfast and its agent'
  (cd "$root" && cargo build --quiet --bin landfast --bin landfast-agent)
  local built
  built=${CARGO_TARGET_DIR:-$root/target}/$(rustc -vV | sed -n 's/^host: //p')/debug
  ln -sfn "$built/landfast" "$landfast"
  ln -sfn "$built/landfast-agent" "$folder/landfast-agent"
}

load_images() {
  say 'building missing images from Debian packages'
  local image
  # Record the missing images, so that --clean removes no other.
  for image in haproxy:2.6 postgres:15 redis:7 app:1 app:2; do
    api -o /dev/null "http://engine/images/landfast/$image/json" 2>/dev/null || echo "landfast/$image" >>"$folder/images"
  done
  "$root/tests/images/build.sh" --load "$socket" "$cache/images" "${images[@]}"
}

make_fleet() {
  [ -e "$fleet/landfast.toml" ] || {
    cp -r "$root/tests/fleets/small" "$fleet.new"
    sed -i "s/^address = .*/address = \"$address\"/" "$fleet.new/landfast.toml"
    local secret
    for secret in postgres redis; do
      head -c 24 /dev/urandom | base64 >"$fleet.new/small/secrets/${secret}_password.txt"
    done
    mv "$fleet.new" "$fleet"
  }
  [ -e "$folder/initialised" ] || { "$landfast" -C "$fleet" init && touch "$folder/initialised"; }
  [ -e "$folder/identity" ] || "$landfast" -C "$fleet" cert issue agent here --out "$folder/identity"
}

start_agent() {
  # Replace a running agent of an older build. Containers keep running meanwhile.
  if is_running agent landfast-agent && ! cmp -s "$folder/landfast-agent" "/proc/$(cat "$folder/agent.pid")/exe"; then
    end_process agent landfast-agent
  fi
  is_running agent landfast-agent && return
  say "starting the agent on $address:7219"
  # The shell writes its process id and then becomes the agent.
  # shellcheck disable=SC2016
  in_network setsid sh -c 'echo $$ >"$0.pid"; exec "$@"' "$folder/agent" "$(readlink -f "$folder/landfast-agent")" run \
    --identity "$folder/identity" --state "$folder/state" --listen "$address:7219" --docker "unix://$socket" \
    >>"$folder/agent.log" 2>&1 </dev/null &
  wait_until 'the agent listens' 30 bash -c "exec 3<>/dev/tcp/$address/7219" 2>/dev/null
}

show_result() {
  local word="${landfast#"$PWD"/} -C ${fleet#"$PWD"/}"
  say 'the stack is running:'
  "$landfast" -C "$fleet" status
  cat <<TEXT

Three commands to try next:
  curl http://$address:18080/count
  $word logs --tail 5 app
  sed -i s/APP_VERSION=1/APP_VERSION=2/ ${fleet#"$PWD"/}/small/.env.dev && $word up

To remove everything: ${BASH_SOURCE[0]} --clean
TEXT
}

clean() {
  [ -d "$folder" ] || { say 'there is nothing to remove'; return; }
  find_engine
  if answers "$socket"; then
    is_running agent landfast-agent && "$landfast" -C "$fleet" down -v --yes || true
    end_process agent landfast-agent
    if [ "$address" = 127.0.0.1 ]; then
      local image
      # Remove what `down` left: containers and volumes of this stack have a label.
      remove_labelled
      while read -r image; do api -X DELETE -o /dev/null "http://engine/images/$image" || true; done < <(sort -u "$folder/images" 2>/dev/null)
    fi
  fi
  end_process agent landfast-agent
  end_process engine dockerd
  if [ -e "/run/netns/$network" ]; then
    ip link del "$network" 2>/dev/null || true
    ip netns del "$network"
  fi
  rm -rf /run/landfast-quickstart 2>/dev/null || true
  # Do not purge: a purge of docker.io would delete /var/lib/docker, which may hold other data.
  if [ -s "$folder/packages" ]; then
    say 'removing the packages that this script installed'
    # shellcheck disable=SC2046
    dpkg --remove $(cat "$folder/packages") >"$folder/dpkg.log" 2>&1 || say "some packages were not removed: $(tail -n 1 "$folder/dpkg.log")"
  fi
  rm -rf "$folder"
  say 'removed'
}

# Removes everything in this machine's Docker that belongs to the quickstart's stack.
remove_labelled() {
  local filter='%7B%22label%22%3A%5B%22com.docker.compose.project%3Dsmall%22%5D%7D' name
  api "http://engine/containers/json?all=1&filters=$filter" | sed 's/{/\n/g' | sed -n 's/.*"Id":"\([0-9a-f]*\)".*/\1/p' |
    while read -r name; do api -X DELETE -o /dev/null "http://engine/containers/$name?force=1&v=1" || true; done
  api "http://engine/volumes?filters=$filter" | sed 's/{/\n/g' | sed -n 's/.*"Name":"\([^"]*\)".*/\1/p' |
    while read -r name; do api -X DELETE -o /dev/null "http://engine/volumes/$name" || true; done
  [ ! -e "$folder/network" ] || api -X DELETE -o /dev/null http://engine/networks/infra_net 2>/dev/null || true
}

case ${1:-} in
  --clean) clean; exit ;;
  '') ;;
  *) echo 'usage: quickstart.sh [--clean]' >&2; exit 2 ;;
esac

for tool in curl python3 dpkg-deb; do
  command -v "$tool" >/dev/null || fail "$tool is not installed" "the images are built from Debian packages: run this script on Debian, with curl and python3"
done
mkdir -p "$folder"
echo '*' >"$folder/.gitignore"
build
find_engine
start_engine
[ -e "$folder/fleet" ] || api -o /dev/null http://engine/networks/infra_net 2>/dev/null || touch "$folder/network"
load_images
make_fleet
start_agent
say 'deploying'
"$landfast" -C "$fleet" up --yes
show_result
