#!/bin/bash
#: a quorum of etcd members is healthy
#hint: are the other members up? crictl logs, or journalctl -u kubelet, on each
#every: 2
set -euo pipefail
. /etc/khgen/etcd.sh
read -ra urls <<<"$ETCD_URLS"
have=$(healthy "${urls[@]}") all=${#urls[@]}
[ $((have * 2)) -gt "$all" ] || { echo "$have of $all healthy"; exit 1; }
