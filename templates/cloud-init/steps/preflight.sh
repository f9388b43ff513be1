#!/bin/bash
#: kubeadm finds this machine fit, and the images are there
set -euo pipefail
. /etc/khgen/phase.sh
cd /etc/kubernetes
# A disk of its own is not empty for kubeadm, which etcd does not mind.
ignored=
[ "$(ls -A "${ETCD_DATA_DIR-}" 2>/dev/null)" != lost+found ] ||
  ignored=DirAvailable-${ETCD_DATA_DIR//\//-}
[ -s manifests/etcd.yaml ] || [ -s manifests/kube-apiserver.yaml ] ||
  phase preflight --ignore-preflight-errors="$ignored"
