#!/bin/bash
#: etcd runs with the wanted version and flags
#hint: crictl ps -a; crictl logs of etcd; journalctl -u kubelet
#files: /etc/khgen/etcd.yaml
#disrupts: etcd starts again where its manifest changes
set -euo pipefail
. /etc/khgen/update.sh
. /etc/khgen/etcd.sh
pod=/etc/kubernetes/manifests/etcd.yaml
new=/etc/kubernetes/etcd.yaml.new

# The flags of a founding or a join stay what they were: a member that has data does not read them.
founding() { grep -- '--initial-cluster' "$1"; }
rest() { grep -v -- '--initial-cluster' "$1"; }

runs() { [ "$(process_of etcd)" ]; }
is_healthy() { etcd "$ETCD_URL/health"; }

if ! cmp -s <(rest /etc/khgen/etcd.yaml) <(rest $pod); then
  # While the member that runs goes on, as kubeadm fetches images before its upgrades.
  image=$(sed -n 's/^ *image: //p' /etc/khgen/etcd.yaml)
  crictl inspecti "$image" &>/dev/null || crictl pull "$image"
  install -m600 /dev/null $new
  {
    rest /etc/khgen/etcd.yaml | sed '/ - etcd$/q'
    founding $pod
    rest /etc/khgen/etcd.yaml | sed '1,/ - etcd$/d'
  } >$new
  sync $new
  mv $new $pod
fi
within 180 runs
within 120 is_healthy
