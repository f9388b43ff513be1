#!/bin/bash
#: kubeadm finds this machine fit, and the images are there
set -euo pipefail
. /etc/khgen/phase.sh
cd /etc/kubernetes
# Once static pods run, their ports are in use.
if [ ! -s manifests/etcd.yaml ] && [ ! -s manifests/kube-apiserver.yaml ]; then
  ignored=
  # A disk of its own is not empty for kubeadm, which etcd does not mind.
  [ "$(ls -A "${ETCD_DATA_DIR-}" 2>/dev/null)" != lost+found ] ||
    ignored=DirAvailable-${ETCD_DATA_DIR//\//-}
  phase preflight --ignore-preflight-errors="$ignored"
fi
