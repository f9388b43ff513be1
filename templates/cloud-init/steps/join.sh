#!/bin/bash
#: kubeadm joins this machine
#hint: journalctl -u kubelet; an old Node of this name that is Ready blocks it
set -euo pipefail
. /etc/khgen/api.sh
cd /var/lib/kubelet
if [ -s config.yaml ] && [ -s kubeadm-flags.env ] && node=$(api "$ENDPOINT/api/v1/nodes/$NODE_NAME") &&
  { [ -e instance-config.yaml ] || grep -q cri-socket <<<"$node"; }; then
  systemctl start kubelet
else
  systemctl stop kubelet
  rm -f /etc/kubernetes/bootstrap-kubelet.conf
  kubeadm join --config /etc/khgen/kubeadm.yaml
fi
systemctl enable kubelet
