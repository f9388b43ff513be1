#!/bin/bash
#: kubeadm joins this control plane, once every other member of etcd is a started voter
#hint: kubectl get nodes; etcdctl member list, on a control plane that runs
#files: /etc/systemd/system/kubelet.service /etc/systemd/system/kubelet.service.d/*
#once: /etc/khgen/kubeadm.yaml /var/lib/kubelet/kubeadm-flags.env by hand; kubectl label and taint
set -euo pipefail
pods=/etc/kubernetes/manifests
config=/etc/khgen/kubeadm.yaml
if [ -z "${ETCD_PEER_URL-}" ]; then
  voter=yes
else
  . /etc/khgen/etcd-room.sh
  list=$(members)
  voter=$(grep -F " $ETCD_PEER_URL started" <<<"$list") && [ -s $pods/etcd.yaml ] || voter=
fi
if [ "$voter" ] && [ -s $pods/kube-scheduler.yaml ] && [ -s /var/lib/kubelet/config.yaml ]; then
  systemctl daemon-reload
  systemctl restart kubelet
  api "$ENDPOINT/api/v1/nodes/$NODE_NAME" | grep node-role.kubernetes.io/control-plane ||
    kubeadm join phase control-plane-join mark-control-plane --config $config
else
  if [ "${ETCD_PEER_URL-}" ]; then
    # Half a join leaves a learner behind, with a copy of the data: start over.
    rm -f $pods/etcd.yaml
    ! etcd "$ETCD_URL/health" >/dev/null || { echo "waiting until etcd stops"; exit 1; }
    make_room
    rm -rf "${ETCD_DATA_DIR:?}/member"
  fi
  systemctl stop kubelet
  rm -f $pods/kube-{apiserver,controller-manager,scheduler}.yaml \
    /etc/kubernetes/bootstrap-kubelet.conf
  # A disk of its own is not empty for kubeadm, which etcd does not mind.
  ignored=
  [ "$(ls -A "${ETCD_DATA_DIR-}" 2>/dev/null)" != lost+found ] ||
    ignored=DirAvailable-${ETCD_DATA_DIR//\//-}
  kubeadm join --config $config --ignore-preflight-errors="$ignored"
fi
systemctl enable kubelet
