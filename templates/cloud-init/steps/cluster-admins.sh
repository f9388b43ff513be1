#!/bin/bash
#: admin.conf has its rights, or this founder can give them
#hint: boot the founder that holds super-admin.conf, or see docs/security.md
#every: 2
set -euo pipefail
asks_with() {
  kubectl --kubeconfig "/etc/kubernetes/$1" get --ignore-not-found -o name \
    clusterrolebinding kubeadm:cluster-admins
}
! asks_with admin.conf &>/dev/null || exit 0
if [ "$NODE_NAME" != "$SUPER_ADMIN" ]; then
  echo "waiting for $SUPER_ADMIN, which alone holds super-admin.conf"
  exit 1
fi
asks_with super-admin.conf || {
  echo "super-admin.conf is refused: has it ended? khgen certs renew, then render"
  exit 1
}
