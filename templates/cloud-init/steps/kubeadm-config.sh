#!/bin/bash
#: the cluster has its configuration
#hint: khgen-boot status on control planes
#every: 2
set -euo pipefail
api "$ENDPOINT/api/v1/namespaces/kube-system/configmaps/kubelet-config" >/dev/null
