#!/bin/bash
# Starts systemd as the first process of namespaces of its own, with the units of a folder, and runs a script in it as a unit.
# Usage: boot.sh FOLDER MODGUD, as root. FOLDER holds `units`, `etc` (for /etc/modgud), `test.sh`, `root`, `changes` and `out`.
# Nothing outside of FOLDER changes: the root is an overlay. Exit code 77: namespaces of this kind are not possible here.

folder=$1 modgud=$2 root=$1/root
if [ "$3" != inside ]; then
  # A cgroup of its own, which the cgroup namespace then shows as the root.
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then cgroups=/sys/fs/cgroup; else cgroups=/sys/fs/cgroup/systemd; fi
  own=$cgroups/modgud-test-$$
  mkdir "$own" 2>/dev/null || exit 77
  trap 'for _ in 1 2 3 4 5 6 7 8 9 10; do find "$own" -depth -type d -exec rmdir {} + 2>/dev/null; [ -e "$own" ] || break; done' EXIT
  (
    echo "$BASHPID" > "$own/cgroup.procs" || exit 77
    unshare --mount --uts --ipc --net --pid --cgroup --fork --kill-child true 2>/dev/null || exit 77
    exec timeout --kill-after=5 90 \
      unshare --mount --uts --ipc --net --pid --cgroup --fork --kill-child bash "$0" "$folder" "$modgud" inside
  )
  exit
fi

trap 'exit 77' ERR
mount --make-rprivate /
ip link set lo up
mount -t tmpfs tmpfs "$folder/changes"
mkdir "$folder/changes/upper" "$folder/changes/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/changes/upper,workdir=$folder/changes/work" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,ro,bind "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
  mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
  mkdir "$root/sys/fs/cgroup/systemd"
  mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
fi
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm" "$root/dev/pts" "$root/dev/mqueue" "$root/dev/hugepages" "$root/run/lock"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount --bind "$folder/out" "$root/mnt"

# Of the machine's own units none starts.
rm -rf "$root"/etc/systemd/system/*
mkdir -p "$root/etc/systemd/system" "$root/etc/modgud"
for target in sysinit basic network-online; do
  printf '[Unit]\nDefaultDependencies=no\n' > "$root/etc/systemd/system/$target.target"
done
printf '[Unit]\nDefaultDependencies=no\nRequires=test.service\n' > "$root/etc/systemd/system/test.target"
cat > "$root/etc/systemd/system/test.service" <<'UNIT'
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/bash /etc/modgud/test.sh
StandardOutput=file:/mnt/out
StandardError=inherit
UNIT
cp "$folder"/units/* "$root/etc/systemd/system/"
cp "$folder"/etc/* "$folder/test.sh" "$root/etc/modgud/"
chmod -R a+rX "$root/etc/modgud"
touch "$root/usr/bin/modgud"
mount --bind "$modgud" "$root/usr/bin/modgud"
grep -q '^envoy:' "$root/etc/group" || echo 'envoy:x:4242:' >> "$root/etc/group"
export container=other
exec chroot "$root" /lib/systemd/systemd --system --show-status=no --log-level=err --unit=test.target
