#!/bin/bash
#: kernel modules and settings
set -euo pipefail
systemctl restart systemd-modules-load systemd-sysctl
