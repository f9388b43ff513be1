#!/bin/bash
#: no running etcd cluster knows this member, so it may found one
#hint: a new disk? khgen node replace, then render
#every: 10
set -euo pipefail
. /etc/khgen/etcd.sh
[ ! -e "$ETCD_DATA_DIR/member" ] || exit 0
list=$(members) || exit 0
grep -qF " $ETCD_PEER_URL unstarted" <<<"$list" || {
  echo "a running etcd cluster does not wait for this member"
  exit 1
}
