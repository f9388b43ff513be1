#!/bin/bash
# Installs and prepares, by the very steps that a first boot runs where nothing is baked.
set -euo pipefail
bake=/var/tmp/khgen-bake/bake
mapfile -t steps <"$bake/steps"
for name in "${steps[@]}"; do
  step=/usr/share/khgen/steps.d/$name
  echo "step $name: $(sed -n 's/^#: //p' "$step")"
  # As khgen-boot runs it.
  bash -ac '. "$1"; exec bash "$0"' "$step" "$bake/environment" </dev/null || {
    echo "step $name failed" >&2
    exit 1
  }
done
# Packages enable these. A first boot enables them where they have a part to play.
for unit in haproxy keepalived kubelet; do
  systemctl stop "$unit" &>/dev/null || :
  if systemctl is-enabled "$unit" &>/dev/null; then
    systemctl disable "$unit"
  fi
done
