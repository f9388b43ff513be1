#!/bin/bash
#: kernel modules and settings
#files: /etc/modules-load.d/khgen.conf /etc/sysctl.d/99-zz-khgen.conf
set -euo pipefail
systemctl restart systemd-modules-load systemd-sysctl
