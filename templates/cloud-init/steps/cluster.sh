#!/bin/bash
#: the cluster's configuration, RBAC, token and addons; this Node's labels and taints
#files: /etc/kubernetes/super-admin.conf
#once: /etc/khgen/kubeadm.yaml an update: kubectl apply -f update.yaml
set -euo pipefail
. /etc/khgen/phase.sh
super_admin=/etc/kubernetes/super-admin.conf
# The file exists while a founding is under way: an interrupted one continues.
founding=/var/lib/khgen/founding
export KUBECONFIG=/etc/kubernetes/admin.conf

exists() { [ -n "$(kubectl get --ignore-not-found -o name "$@")" ]; }

# kubeadm gives admin.conf its rights once. Until then, only super-admin.conf has rights.
use_super_admin() {
  [ -e $super_admin ] || phase kubeconfig super-admin
  KUBECONFIG=$super_admin
}

founded_before() {
  [ ! -e $founding ] && exists -n kube-system configmap kubeadm-config &&
    exists -n kube-system daemonset kube-proxy
}

# kubeadm's phases are idempotent: other founders may run them at the same time.
found_cluster() {
  touch $founding
  phase upload-config all
  phase bootstrap-token --skip-token-print
  phase addon all
}

exists clusterrolebinding kubeadm:cluster-admins 2>/dev/null || use_super_admin
# A running cluster keeps its configuration. upload-config sets only this annotation on a Node.
if founded_before; then
  kubectl annotate --overwrite node "$NODE_NAME" "kubeadm.alpha.kubernetes.io/cri-socket=$CRI_SOCKET"
else
  found_cluster
fi
exists node -l node-role.kubernetes.io/control-plane --field-selector "metadata.name=$NODE_NAME" ||
  phase mark-control-plane
[ -z "${FOUNDING_TOKEN-}" ] || kubectl -n kube-system delete secret --ignore-not-found \
  "bootstrap-token-$FOUNDING_TOKEN"
rm -f $super_admin $founding
