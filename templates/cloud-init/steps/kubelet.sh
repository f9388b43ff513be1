#!/bin/bash
#: the kubelet
set -euo pipefail
. /etc/khgen/phase.sh
cd /var/lib/kubelet
if [ ! -s config.yaml ] || [ ! -s kubeadm-flags.env ]; then
  phase kubelet-start
fi
systemctl enable --now kubelet
