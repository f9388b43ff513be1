#!/bin/bash
# Puts khgen's files in their places: what a first boot writes where nothing is baked.
set -euo pipefail
umask 022
bake=/var/tmp/khgen-bake
payload=/var/tmp/khgen-payload.tar
rm -rf "$bake"
install -dm700 "$bake"
# The archive has files and no folders, so folders that are there keep their modes.
tar -C "$bake" --no-same-owner -pmxf "$payload" bake
tar -C / --no-same-owner --strip-components=1 -pmxf "$payload" rootfs
if command -v restorecon >/dev/null; then
  tar -tf "$payload" rootfs | sed 's,^rootfs,,' | restorecon -f -
fi
rm -f "$payload"
echo "unpacked $(grep -vc '^#' /etc/khgen/image.sha256) files"
