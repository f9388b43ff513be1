#!/bin/bash
#: kubeadm finds this machine fit, and the images are there
set -euo pipefail
cd /etc/kubernetes
# A disk of its own is not empty for kubeadm, which etcd does not mind.
ignored=
[ "$(ls -A "${ETCD_DATA_DIR-}" 2>/dev/null)" != lost+found ] ||
  ignored=DirAvailable-${ETCD_DATA_DIR//\//-}
[ -s manifests/etcd.yaml ] || [ -s manifests/kube-apiserver.yaml ] ||
  kubeadm init phase preflight --config /etc/khgen/kubeadm.yaml --ignore-preflight-errors="$ignored"
