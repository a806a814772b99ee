#!/bin/sh
# Starts a lab host. Runs as the first process of the host's namespaces (mount, process, network, host name).
#
# Creates a root file system: an overlay over this machine's files, so that everything installed on the host disappears
# with it, and real folders for the data of the engine and the agent. Then waits until standard input closes, which ends
# the host, even if the test that holds the other end is killed.
set -eu

cd /
mount --make-rprivate /
mkdir -p "$HOST_FOLDER/scratch" "$HOST_FOLDER/docker" "$HOST_FOLDER/landfast"
mount -t tmpfs -o mode=755 scratch "$HOST_FOLDER/scratch"
root=$HOST_FOLDER/scratch/root
mkdir -p "$root" "$HOST_FOLDER/scratch/upper" "$HOST_FOLDER/scratch/work"
mount -t overlay -o "lowerdir=/,upperdir=$HOST_FOLDER/scratch/upper,workdir=$HOST_FOLDER/scratch/work" overlay "$root"

mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mount -t tmpfs -o mode=700 home "$root/root"
mkdir -p "$root/var/lib/docker" "$root/var/lib/landfast" "$root/run/sshd" "$root/etc/docker"
mount --bind "$HOST_FOLDER/docker" "$root/var/lib/docker"
mount --bind "$HOST_FOLDER/landfast" "$root/var/lib/landfast"

# The newer engine may be unpacked on a file system that the overlay does not include.
mkdir -p "$root/opt/lab-engine"
mount --bind "$NEWER_ENGINE" "$root/opt/lab-engine"

# Root accepts the client key, name lookups fail fast, and this machine's engine settings do not apply.
mkdir -m 700 "$root/root/.ssh"
cp "$CLIENT_KEY.pub" "$root/root/.ssh/authorized_keys"
chmod 600 "$root/root/.ssh/authorized_keys"
sed -i 's/^root:[^:]*:/root:*:/' "$root/etc/shadow"
rm -f "$root/etc/resolv.conf" "$root/etc/docker/daemon.json"
echo "nameserver $LAN_ADDRESS" >"$root/etc/resolv.conf"
printf '127.0.0.1 localhost\n%s %s\n' "$HOST_ADDRESS" "$HOST_NAME" >"$root/etc/hosts"
echo "$HOST_NAME" >"$root/etc/hostname"
hostname "$HOST_NAME"

mkdir -p "$root/.old"
cd "$root"
pivot_root . .old
umount -l /.old
rmdir /.old 2>/dev/null || true

echo 'ready'
while read -r _; do :; done
