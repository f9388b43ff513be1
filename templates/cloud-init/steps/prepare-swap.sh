#!/bin/bash
#: swap off, now and at boot
set -euo pipefail
systemctl list-units -t swap --all --plain --no-legend | while read -r unit _; do
  systemctl mask --now "$unit" # fstab, GPT and zram make units
done
swapoff -a
[ ! -e /etc/fstab ] || sed -Ei 's/^[^#]\S*\s+\S+\s+swap\s/#&/' /etc/fstab
