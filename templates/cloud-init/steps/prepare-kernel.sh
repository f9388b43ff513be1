#!/bin/bash
#: kernel modules and settings
#hint: journalctl -u systemd-modules-load -u systemd-sysctl
set -euo pipefail
systemctl restart systemd-modules-load systemd-sysctl
