#!/bin/bash
#: this machine's member of etcd is a healthy voter
#hint: crictl ps -a; crictl logs of etcd; on another member: etcdctl member list
#every: 2
set -euo pipefail
. /etc/khgen/etcd.sh
list=$(members)
line=$(grep -F " $ETCD_PEER_URL " <<<"$list") || { echo "etcd does not know this member"; exit 1; }
read -r id _ state <<<"$line"
[ "$state" != learner ] || ask member/promote "{\"ID\":\"$id\"}" >/dev/null ||
  { echo "this member is still catching up"; exit 1; }
etcd "$ETCD_URL/health" >/dev/null || { echo "$ETCD_URL is $state, not healthy"; exit 1; }
[ "$state" = started ]
# Only printed, not waited for: this member is healthy.
[ -z "${REMOVED_MEMBERS-}" ] || stale_members "$list"
