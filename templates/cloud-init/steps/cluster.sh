#!/bin/bash
#: the cluster's configuration, RBAC, token and addons; this Node's marks
#files: /etc/kubernetes/super-admin.conf
#once: /etc/khgen/kubeadm.yaml kubeadm init phase upload-config all --config /etc/khgen/kubeadm.yaml
set -euo pipefail
. /etc/khgen/phase.sh
has() { [ -n "$(kubectl get --ignore-not-found -o name "$@")" ]; }
super=/etc/kubernetes/super-admin.conf
export KUBECONFIG=/etc/kubernetes/admin.conf
# Until kubeadm has given admin.conf its rights, which it does once, only super-admin.conf has any.
if ! has clusterrolebinding kubeadm:cluster-admins 2>/dev/null; then
  [ -e $super ] || phase kubeconfig super-admin
  KUBECONFIG=$super
fi
# A cluster that stands keeps what it has; a founding that was cut off goes on.
ours=/var/lib/khgen/founding
if [ ! -e $ours ] && has -n kube-system configmap kubeadm-config &&
  has -n kube-system daemonset kube-proxy; then
  kubectl annotate --overwrite node "$NODE_NAME" "kubeadm.alpha.kubernetes.io/cri-socket=$CRI_SOCKET"
else
  touch $ours
  phase upload-config all
  phase bootstrap-token --skip-token-print
  phase addon all
fi
has node -l node-role.kubernetes.io/control-plane --field-selector "metadata.name=$NODE_NAME" ||
  phase mark-control-plane
[ -z "${FOUNDING_TOKEN-}" ] || kubectl -n kube-system delete secret --ignore-not-found \
  "bootstrap-token-$FOUNDING_TOKEN"
rm -f $super $ours
