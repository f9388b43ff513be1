#!/bin/bash
#: time synchronisation
#files: /etc/chrony/chrony.conf /etc/chrony.conf /etc/systemd/timesyncd.conf.d/khgen.conf
set -euo pipefail
systemctl cat "$TIME_UNIT" &>/dev/null || exit 0 # not installed yet: it will start by itself
systemctl enable "$TIME_UNIT"
systemctl restart "$TIME_UNIT"
