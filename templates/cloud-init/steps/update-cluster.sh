#!/bin/bash
#: the cluster's own configuration, in kubeadm-config and kubelet-config
#hint: kubectl -n kube-system get configmap kubeadm-config -o yaml
#files: /etc/khgen/cluster.yaml
set -euo pipefail
. /etc/khgen/update.sh
# The version stays what runs: `kubeadm upgrade apply` sets it once the first API server is new, and an
# upgrade that was cut off is so begun again.
configured=$(configured_version)
config=/run/khgen/cluster.yaml
install -m600 /dev/null $config
sed "s/^kubernetesVersion: .*/kubernetesVersion: $configured/" /etc/khgen/cluster.yaml >$config
update_phase $config upload-config all
rm $config
