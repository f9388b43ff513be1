#!/bin/bash
#: etcd's static pod
#once: /etc/khgen/kubeadm.yaml kubeadm init phase etcd local --config /etc/khgen/kubeadm.yaml
#once: /etc/khgen/patches/* flags of etcd, that only founding needs
set -euo pipefail
. /etc/khgen/phase.sh
[ -s /etc/kubernetes/manifests/etcd.yaml ] ||
  phase etcd local
