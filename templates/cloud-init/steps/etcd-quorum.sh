#!/bin/bash
#: a quorum of etcd members is healthy
#hint: are the other members up? crictl logs, or journalctl -u kubelet, on each
#every: 2
set -euo pipefail
. /etc/khgen/etcd.sh
quorum "$(wc -w <<<"$ETCD_URLS")"
