#!/bin/bash
#: the kubelet
set -euo pipefail
if [ -s /var/lib/kubelet/config.yaml ] && [ -s /var/lib/kubelet/kubeadm-flags.env ]; then
  systemctl start kubelet
else
  kubeadm init phase kubelet-start --config /etc/khgen/kubeadm.yaml
fi
systemctl enable kubelet
