#!/bin/bash
#: swap off, now and at boot
#hint: is there memory enough to take back what is swapped out? swapon --show
set -euo pipefail
# Masked, so that no generator (fstab, zram, GPT) brings it back.
systemctl list-units -t swap --all --plain --no-legend | while read -r unit _; do
  systemctl mask --now "$unit"
done
swapoff -a
[ ! -e /etc/fstab ] || sed -Ei 's/^[^#[:space:]]+\s+\S+\s+swap\s/#&/' /etc/fstab
