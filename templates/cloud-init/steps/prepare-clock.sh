#!/bin/bash
#: time synchronisation
#hint: are the time servers reachable? chronyc sources, timedatectl timesync-status
set -euo pipefail
# What is not installed yet starts with our configuration when it is.
systemctl cat "$TIME_UNIT" &>/dev/null || exit 0
systemctl enable "$TIME_UNIT"
systemctl restart "$TIME_UNIT"
