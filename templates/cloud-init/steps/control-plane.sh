#!/bin/bash
#: the static pods of the control plane
set -euo pipefail
. /etc/khgen/phase.sh
for pod in apiserver controller-manager scheduler; do
  [ -s /etc/kubernetes/manifests/kube-$pod.yaml ] ||
    phase control-plane $pod
done
