#!/bin/bash
#: this Node is a control plane
#every: 2
set -euo pipefail
api "$NODE_URL/readyz"
api "$ENDPOINT/api/v1/nodes/$NODE_NAME" | grep node-role.kubernetes.io/control-plane ||
  { echo "Node $NODE_NAME is not labelled as a control plane"; exit 1; }
# Only printed, not waited for: this control plane is healthy.
[ -z "${REMOVED_NODES-}" ] || stale_nodes
