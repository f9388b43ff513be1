#!/bin/bash
#: the living etcd cluster takes this member, once every other one is a started voter
#hint: etcdctl member list, on a member that runs
set -euo pipefail
. /etc/khgen/etcd-room.sh
pod=/etc/kubernetes/manifests/etcd.yaml
[ ! -s $pod ] || exit 0
make_room
rm -rf "${ETCD_DATA_DIR:?}/member"
added=$(ask member/add "{\"peerURLs\":[\"$ETCD_PEER_URL\"],\"isLearner\":true}")
cluster=$(python3 -c '
import json, sys
print(",".join((m.get("name") or sys.argv[1]) + "=" + m["peerURLs"][0]
               for m in json.load(sys.stdin)["members"]))' "$NODE_NAME" <<<"$added")
install -dm755 /etc/kubernetes/manifests
sed "s|@INITIAL_CLUSTER@|$cluster|" /etc/khgen/etcd.yaml >$pod.new
chmod 600 $pod.new
mv $pod.new $pod
