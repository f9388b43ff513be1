#!/bin/bash
#: the kubelet
set -euo pipefail
cd /var/lib/kubelet
if [ ! -s config.yaml ] || [ ! -s kubeadm-flags.env ]; then
  kubeadm init phase kubelet-start --config /etc/khgen/kubeadm.yaml
fi
systemctl enable --now kubelet
