#!/bin/bash
#: etcd's static pod
set -euo pipefail
[ -s /etc/kubernetes/manifests/etcd.yaml ] ||
  kubeadm init phase etcd local --config /etc/khgen/kubeadm.yaml
