#!/bin/bash
#: kube-proxy and CoreDNS as the cluster's configuration says, once every API server is new
#hint: kubectl -n kube-system get pods
#files: /etc/khgen/cluster.yaml
set -euo pipefail
. /etc/khgen/update.sh
# There while kube-proxy's pods may run with another configuration than the ConfigMap has: the one before.
before=/var/lib/khgen/kube-proxy.before

config_map() { kubectl -n kube-system get configmap "$1" --ignore-not-found -o 'jsonpath={.data}'; }

others=$(api_servers_without "$(wanted_version)")
if [ "$others" ]; then
  echo "other API servers are still to come: the last control plane changes the addons"
  exit 0
fi
config=/etc/khgen/cluster.yaml
# As kubeadm's own upgrades do: an addon without its ConfigMap was removed on purpose.
[ ! "$(config_map coredns)" ] || update_phase $config addon coredns
[ "$(config_map kube-proxy)" ] || exit 0
[ -s $before ] || { config_map kube-proxy >$before.new && sync $before.new && mv $before.new $before; }
update_phase $config addon kube-proxy
# Its pods read their configuration when they start.
[ "$(config_map kube-proxy)" = "$(<$before)" ] ||
  kubectl -n kube-system rollout restart daemonset kube-proxy
rm $before
