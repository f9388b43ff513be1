#!/bin/bash
#: the static pods of the control plane
#once: /etc/khgen/kubeadm.yaml an update: kubectl apply -f update.yaml
set -euo pipefail
. /etc/khgen/phase.sh
for pod in apiserver controller-manager scheduler; do
  [ -s /etc/kubernetes/manifests/kube-$pod.yaml ] ||
    phase control-plane $pod
done
