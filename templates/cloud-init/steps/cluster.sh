#!/bin/bash
#: the cluster's configuration, RBAC, token and addons; this Node's marks
set -euo pipefail
KUBECONFIG=/etc/kubernetes/super-admin.conf
[ -e $KUBECONFIG ] || KUBECONFIG=/etc/kubernetes/admin.conf
export KUBECONFIG
has() { [ -n "$(kubectl get --ignore-not-found -o name "$@")" ]; }
phase() { kubeadm init phase "$@" --config /etc/khgen/kubeadm.yaml; }
# A cluster that was founded already keeps what it has; a founding cut off in the middle goes on.
ours=/var/lib/khgen/founding
if [ ! -e $ours ] && has -n kube-system configmap kubeadm-config &&
  has -n kube-system daemonset kube-proxy; then
  kubectl annotate --overwrite node "$NODE_NAME" "kubeadm.alpha.kubernetes.io/cri-socket=$CRI_SOCKET"
else
  touch $ours
  phase upload-config all
  phase bootstrap-token
  phase addon all
fi
has node -l node-role.kubernetes.io/control-plane --field-selector "metadata.name=$NODE_NAME" ||
  phase mark-control-plane
rm -f $ours
