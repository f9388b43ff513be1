# Silent, because gates ask every two seconds; the caller counts members that do not answer.
etcd() {
  curl -sf -m 5 --cacert /etc/kubernetes/pki/etcd/ca.crt \
    --cert "$ETCD_CLIENT.crt" --key "$ETCD_CLIENT.key" "$@"
}

# Requests $1 with body $2 from the first member that answers. It uses etcd's own JSON API, because no
# package on the nodes has etcdctl.
ask() {
  for url in $ETCD_URLS; do
    etcd "$url/v3/cluster/$1" -d "$2" && return
  done
  echo "no member of etcd answers" >&2
  return 1
}

# Prints ID, peer URL and state of each member. A member with a client URL has been started.
members() {
  list=$(ask member/list '{}') && python3 -c '
import json, sys
for member in json.load(sys.stdin)["members"]:
    state = "started" if member.get("clientURLs") else "unstarted"
    print(member["ID"], member["peerURLs"][0], "learner" if member.get("isLearner") else state)' <<<"$list"
}

# Fails with the reason unless most of $1 members are healthy.
quorum() {
  healthy=0
  for url in $ETCD_URLS; do
    etcd "$url/health" >/dev/null && healthy=$((healthy + 1))
  done
  [ $((healthy * 2)) -gt "$1" ] || { echo "$healthy of $1 healthy"; return 1; }
}
