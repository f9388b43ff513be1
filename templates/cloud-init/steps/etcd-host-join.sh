#!/bin/bash
#: the running etcd cluster takes this member, once every other one is a started voter
#hint: etcdctl member list, on a member that runs
set -euo pipefail
. /etc/khgen/etcd-membership.sh
pod=/etc/kubernetes/manifests/etcd.yaml

# "name=peer URL" of each member, from etcd's answer to the addition. The member without a name has not
# started: it is this one.
initial_cluster() {
  python3 -c '
import json, sys
members = json.load(sys.stdin)["members"]
pairs = ((member.get("name") or sys.argv[1]) + "=" + member["peerURLs"][0] for member in members)
print(",".join(pairs))' "$NODE_NAME"
}

[ ! -s $pod ] || exit 0
prepare_membership
rm -rf "${ETCD_DATA_DIR:?}/member"
added=$(ask member/add "{\"peerURLs\":[\"$ETCD_PEER_URL\"],\"isLearner\":true}")
cluster=$(initial_cluster <<<"$added")
install -dm755 /etc/kubernetes/manifests
sed "s|@INITIAL_CLUSTER@|$cluster|" /etc/khgen/etcd.yaml >$pod.new
chmod 600 $pod.new
mv $pod.new $pod
