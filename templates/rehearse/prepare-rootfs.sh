#!/bin/bash
# Makes a fresh Debian root directory ($1) an image that never booted, as a cloud's would be.
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
# Debian has the CNI plugins where containerd's default does not look.
mkdir -p "$root/opt/cni"
ln -s /usr/lib/cni "$root/opt/cni/bin"
# File systems of the machine below.
for unit in sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount; do
  ln -s /dev/null "$root/etc/systemd/system/$unit"
done
