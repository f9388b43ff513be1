#!/bin/bash
#: the cluster has its kubeadm configuration
#hint: has a control plane finished founding? khgen-boot status, there
#every: 2
set -euo pipefail
. /etc/khgen/api.sh
for name in kubeadm-config kubelet-config; do
  api "$ENDPOINT/api/v1/namespaces/kube-system/configmaps/$name" >/dev/null ||
    { echo "ConfigMap $name cannot be read yet"; exit 1; }
done
