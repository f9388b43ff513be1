#!/bin/bash
#: containerd with its CRI plugin
#hint: journalctl -u containerd
#files: /etc/containerd/config.toml /etc/containerd/certs.d/*/hosts.toml /etc/systemd/system/containerd.service
set -euo pipefail
systemctl enable containerd
systemctl restart containerd
ctr plugins ls | grep -E '\scri\s.*\sok'
