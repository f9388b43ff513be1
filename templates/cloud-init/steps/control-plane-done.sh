#!/bin/bash
#: this Node is a control plane
#every: 2
set -euo pipefail
api "$NODE_URL/readyz"
api "$ENDPOINT/api/v1/nodes/$NODE_NAME" | grep node-role.kubernetes.io/control-plane ||
  { echo "Node $NODE_NAME is not labelled as a control plane"; exit 1; }
# Printed, but not waited for: this control plane is well.
for name in ${REMOVED_NODES-}; do
  if [ "$(kubectl --kubeconfig /etc/kubernetes/admin.conf get --ignore-not-found -o name node "$name")" ]; then
    echo "$name was removed, but is still a Node; run: kubectl delete node $name"
  fi
done
