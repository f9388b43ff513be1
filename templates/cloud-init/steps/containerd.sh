#!/bin/bash
#: containerd with its CRI plugin
#hint: journalctl -u containerd
set -euo pipefail
systemctl enable containerd
systemctl restart containerd
ctr plugins ls | grep -E '\scri\s.*\sok'
