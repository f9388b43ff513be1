#!/bin/bash
#: the static pods of the control plane
set -euo pipefail
for pod in apiserver controller-manager scheduler; do
  [ -s /etc/kubernetes/manifests/kube-$pod.yaml ] ||
    kubeadm init phase control-plane $pod --config /etc/khgen/kubeadm.yaml
done
