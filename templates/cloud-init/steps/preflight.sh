#!/bin/bash
#: kubeadm finds this machine fit, and the images are there
set -euo pipefail
. /etc/khgen/phase.sh
cd /etc/kubernetes
# Once static pods run, their ports are in use.
if [ ! -s manifests/etcd.yaml ] && [ ! -s manifests/kube-apiserver.yaml ]; then
  ignored=
  # kubeadm does not accept the mount point of a separate disk as empty; etcd does.
  [ "$(ls -A "${ETCD_DATA_DIR-}" 2>/dev/null)" != lost+found ] ||
    ignored=DirAvailable-${ETCD_DATA_DIR//\//-}
  phase preflight --ignore-preflight-errors="$ignored"
fi
