#!/bin/bash
#: no living etcd cluster has had this member, so it may found one
#hint: this machine is a replacement: render it with khgen node replace, and boot it from that
#every: 10
set -euo pipefail
. /etc/khgen/etcd.sh
[ ! -e "$ETCD_DATA_DIR/member" ] || exit 0
list=$(members) || exit 0
grep -qF " unstarted $ETCD_PEER_URL " <<<"$list" || {
  echo "a living etcd cluster has had this member, or removed it: founding would be wrong"
  exit 1
}
