#!/bin/bash
#: this Node is a control plane; what only the founding needed goes
#every: 2
set -euo pipefail
. /etc/khgen/api.sh
api "$ENDPOINT/api/v1/nodes/$NODE_NAME" | grep -q node-role.kubernetes.io/control-plane ||
  { echo "Node $NODE_NAME is not labelled as a control plane"; exit 1; }
api "$NODE_URL/readyz" >/dev/null || { echo "$NODE_URL is not ready"; exit 1; }
[ -z "${FOUNDING_TOKEN-}" ] || kubectl --kubeconfig /etc/kubernetes/admin.conf -n kube-system \
  delete secret --ignore-not-found "bootstrap-token-$FOUNDING_TOKEN"
rm -f /etc/kubernetes/super-admin.conf
