#!/bin/bash
# Installs and prepares with the same steps that a first boot without an image runs.
set -euo pipefail
bake=/var/tmp/khgen-bake/bake
mapfile -t steps <"$bake/steps"
for name in "${steps[@]}"; do
  step=/usr/share/khgen/steps.d/$name
  echo "step $name: $(sed -n 's/^#: //p' "$step")"
  # khgen-boot runs a step in the same way.
  bash -ac '. "$1"; exec bash "$0"' "$step" "$bake/environment" </dev/null || {
    echo "step $name failed" >&2
    exit 1
  }
done
# Packages enable these units. A node's first boot enables those that it needs.
for unit in haproxy keepalived kubelet; do
  systemctl stop "$unit" &>/dev/null || :
  if systemctl is-enabled "$unit" &>/dev/null; then
    systemctl disable "$unit"
  fi
done
