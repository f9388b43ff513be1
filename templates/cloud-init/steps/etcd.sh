#!/bin/bash
#: etcd's static pod
#once: /etc/khgen/kubeadm.yaml an update: kubectl apply -f update.yaml
#once: /etc/khgen/patches/* nothing: only a founding needs it
set -euo pipefail
. /etc/khgen/phase.sh
[ -s /etc/kubernetes/manifests/etcd.yaml ] ||
  phase etcd local
