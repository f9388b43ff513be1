#!/bin/bash
#: etcd's static pod
set -euo pipefail
. /etc/khgen/phase.sh
[ -s /etc/kubernetes/manifests/etcd.yaml ] ||
  phase etcd local
