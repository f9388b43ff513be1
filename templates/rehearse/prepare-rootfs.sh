#!/bin/bash
# Turns a fresh Debian root directory ($1) into an image that has never booted, like a cloud's.
set -euo pipefail
root=$1
chroot "$root" systemctl enable systemd-networkd >/dev/null
# Debian enables these when it installs them; on a node the boot steps do.
chroot "$root" systemctl disable etcd keepalived haproxy containerd >/dev/null
: >"$root/etc/machine-id"
rm -f "$root/etc/hostname" "$root"/etc/ssh/ssh_host_*_key* "$root/var/lib/dbus/machine-id" "$root"/var/cache/apt/archives/*.deb
ln -sfn ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
# Only NoCloud: no wait for the metadata services of clouds.
printf 'datasource_list: [NoCloud, None]\n' >"$root/etc/cloud/cloud.cfg.d/90_dpkg.cfg"
printf 'locale: C.UTF-8\n' >"$root/etc/cloud/cloud.cfg.d/91_rehearsal.cfg"
rm -f "$root"/etc/containerd/config.toml
# Debian installs the CNI plugins in a folder that containerd's default configuration does not name.
mkdir -p "$root/opt/cni"
ln -s /usr/lib/cni "$root/opt/cni/bin"
# The host machine provides these file systems.
for unit in sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount; do
  ln -s /dev/null "$root/etc/systemd/system/$unit"
done
