#!/bin/bash
#: the static pods of the control plane
#once: /etc/khgen/kubeadm.yaml kubeadm init phase control-plane all --config /etc/khgen/kubeadm.yaml
set -euo pipefail
for pod in apiserver controller-manager scheduler; do
  [ -s /etc/kubernetes/manifests/kube-$pod.yaml ] ||
    kubeadm init phase control-plane $pod --config /etc/khgen/kubeadm.yaml
done
