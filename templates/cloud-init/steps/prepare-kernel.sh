#!/bin/bash
#: kernel modules and settings
#hint: journalctl -b
set -euo pipefail
systemctl restart systemd-modules-load systemd-sysctl
