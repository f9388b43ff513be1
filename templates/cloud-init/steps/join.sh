#!/bin/bash
#: kubeadm joins this machine
#hint: journalctl -u kubelet; a Ready Node of this name blocks it
#files: /etc/systemd/system/kubelet.service /etc/systemd/system/kubelet.service.d/*
#once: /etc/khgen/kubeadm.yaml an update: kubectl apply -f update.yaml
set -euo pipefail
cd /var/lib/kubelet

# kubeadm's last act is to annotate the Node with its CRI socket. With the feature gate
# NodeLocalCRISocket, it writes instance-config.yaml instead.
joined() {
  [ -s config.yaml ] && [ -s kubeadm-flags.env ] && node=$(api "$ENDPOINT/api/v1/nodes/$NODE_NAME") &&
    { [ -e instance-config.yaml ] || grep -q cri-socket <<<"$node"; }
}

if joined; then
  systemctl daemon-reload
  systemctl restart kubelet
else
  systemctl stop kubelet
  # kubeadm refuses to join if this exists.
  rm -f /etc/kubernetes/bootstrap-kubelet.conf
  kubeadm join --config /etc/khgen/kubeadm.yaml
fi
systemctl enable --now kubelet
