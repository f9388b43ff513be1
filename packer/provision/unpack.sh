#!/bin/bash
# Unpacks khgen's files: a first boot without an image writes the same ones.
set -euo pipefail
umask 022
bake=/var/tmp/khgen-bake
payload=/var/tmp/khgen-payload.tar
rm -rf "$bake"
install -dm700 "$bake"
# The archive has files but no folders, so existing folders keep their modes.
tar -C "$bake" --no-same-owner -pmxf "$payload" bake
tar -C / --no-same-owner --strip-components=1 -pmxf "$payload" rootfs
if command -v restorecon >/dev/null; then
  tar -tf "$payload" rootfs | sed 's,^rootfs,,' | restorecon -f -
fi
rm -f "$payload"
echo "unpacked $(grep -vc '^#' /etc/khgen/image.sha256) files"
