#!/bin/bash
#: kubeadm joins this control plane, once every other member of etcd is a started voter
#hint: kubectl get nodes; etcdctl member list, on a control plane that runs
#files: /etc/systemd/system/kubelet.service /etc/systemd/system/kubelet.service.d/*
#once: /etc/khgen/kubeadm.yaml an update: kubectl apply -f update.yaml
set -euo pipefail
pods=/etc/kubernetes/manifests
config=/etc/khgen/kubeadm.yaml

# With external etcd, this machine has no etcd member.
member_list=
if [ "${ETCD_PEER_URL-}" ]; then
  . /etc/khgen/etcd-membership.sh
  member_list=$(members)
fi

joined() {
  [ -s $pods/kube-scheduler.yaml ] && [ -s /var/lib/kubelet/config.yaml ] || return 1
  [ "${ETCD_PEER_URL-}" ] || return 0
  [ -s $pods/etcd.yaml ] && grep -qF " $ETCD_PEER_URL started" <<<"$member_list"
}

# An interrupted join leaves a learner with a copy of the data: start over.
clear_half_a_join() {
  rm -f $pods/etcd.yaml
  ! etcd "$ETCD_URL/health" >/dev/null || { echo "waiting until etcd stops"; exit 1; }
  prepare_membership
  rm -rf "${ETCD_DATA_DIR:?}/member"
}

join() {
  local ignored=
  systemctl stop kubelet
  # kubeadm refuses to join if these exist.
  rm -f $pods/kube-{apiserver,controller-manager,scheduler}.yaml \
    /etc/kubernetes/bootstrap-kubelet.conf
  # kubeadm does not accept the mount point of a separate disk as empty; etcd does.
  [ "$(ls -A "${ETCD_DATA_DIR-}" 2>/dev/null)" != lost+found ] ||
    ignored=DirAvailable-${ETCD_DATA_DIR//\//-}
  kubeadm join --config $config --ignore-preflight-errors="$ignored"
}

if joined; then
  systemctl daemon-reload
  systemctl restart kubelet
  api "$ENDPOINT/api/v1/nodes/$NODE_NAME" | grep node-role.kubernetes.io/control-plane ||
    kubeadm join phase control-plane-join mark-control-plane --config $config
else
  if [ "${ETCD_PEER_URL-}" ]; then
    clear_half_a_join
  fi
  join
fi
systemctl enable kubelet
