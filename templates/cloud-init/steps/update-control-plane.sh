#!/bin/bash
#: kubeadm brings this control plane's static pods to the cluster's configuration and version
#hint: crictl ps -a; crictl logs; journalctl -u kubelet
#files: /etc/khgen/cluster.yaml /etc/khgen/upgrade.yaml
#disrupts: static pods whose manifest changes start again
set -euo pipefail
. /etc/khgen/update.sh
pods=/etc/kubernetes/manifests
admin=/etc/kubernetes/admin.conf
super_admin=/etc/kubernetes/super-admin.conf
# Here while kubeadm 1.29 makes both anew (postupgrade.go, createSuperAdminKubeConfig).
own=/var/lib/khgen/admin.conf
wanted_pods=/run/khgen/wanted-pods

keep_admin() {
  [ -e $own ] || { cp -p $admin $own.new && sync $own.new && mv $own.new $own; }
}

give_admin_back() {
  if [ -e $own ]; then
    cmp -s $own $admin || { cp -p $own $admin.new && mv $admin.new $admin; }
    rm -f $super_admin{,.backup} $admin.backup $own
  fi
}

# etcd's manifest as kubeadm would write it now: it sees another folder in place of the real one.
write_wanted_etcd() {
  rm -rf $wanted_pods
  mkdir -p $wanted_pods
  export -f update_phase
  unshare --mount bash -ec \
    "mount --bind $wanted_pods $pods; update_phase /etc/khgen/cluster.yaml etcd local"
}

without_founding() { grep -v -- '--initial-cluster' "$1"; }

give_admin_back
restore_manifests
remove_copies
# kubeadm leaves out the flags of etcd's founding, and that alone is no reason to restart a member.
# From 1.30 on it also restarts etcd whenever the API server changes (staticpods.go, upgradeComponent).
etcd_upgrade=false
if [ -s $pods/etcd.yaml ]; then
  write_wanted_etcd
  cmp -s <(without_founding $pods/etcd.yaml) <(without_founding $wanted_pods/etcd.yaml) ||
    etcd_upgrade=true
fi
# The patches of the founding are not handed over: their flags would override what etcd has now.
if [ -e /etc/khgen/upgrade.yaml ]; then
  sed "s/etcdUpgrade: .*/etcdUpgrade: $etcd_upgrade/" /etc/khgen/upgrade.yaml >/run/khgen/upgrade.yaml
  how=(--config /run/khgen/upgrade.yaml)
else
  # A node that is being drained takes no job, and no other may have room for it.
  how=(--certificate-renewal=false "--etcd-upgrade=$etcd_upgrade" --ignore-preflight-errors=CreateJob)
fi
version=$(wanted_version)
if [ "$(configured_version)" = "$version" ]; then
  kubeadm upgrade node --skip-phases=kubelet-config "${how[@]}"
else
  keep_admin
  kubeadm upgrade apply "$version" --yes "${how[@]}"
  give_admin_back
fi
remove_copies
rm -rf $wanted_pods
within 120 api "$NODE_URL/readyz"
