etcd() {
  curl -sf -m 5 --cacert /etc/kubernetes/pki/etcd/ca.crt \
    --cert "$ETCD_CLIENT.crt" --key "$ETCD_CLIENT.key" "$@"
}

# Asks the first member that answers for $1, with body $2.
ask() {
  for url in $ETCD_URLS; do
    etcd "$url/v3/cluster/$1" -d "$2" && return
  done
  echo "no member of etcd answers" >&2
  return 1
}

# ID, peer URL and state of each member.
members() {
  list=$(ask member/list '{}') && python3 -c '
import json, sys
for m in json.load(sys.stdin)["members"]:
    ran = "started" if m.get("clientURLs") else "unstarted"
    print(m["ID"], m["peerURLs"][0], "learner" if m.get("isLearner") else ran)' <<<"$list"
}

# How to run etcdctl at the member that answers.
etcdctl_there() {
  read -r name url < <(ask member/list '{}' | python3 -c '
import json, sys
said = json.load(sys.stdin)
for m in said["members"]:
    if m["ID"] == said["header"]["member_id"]:
        print(m["name"], m["clientURLs"][0])')
  if [ "${ENDPOINT-}" ]; then
    place="kubectl -n kube-system exec etcd-$name -- etcdctl"
  else
    place="on $name: crictl exec \$(crictl ps -q --name etcd) etcdctl"
  fi
  pki=/etc/kubernetes/pki/etcd
  echo "$place --endpoints=$url --cacert=$pki/ca.crt --cert=$pki/server.crt --key=$pki/server.key"
}

# A line for each removed node that is still in $1, the list of members, with what clears it.
stale_members() {
  for removed in ${REMOVED_MEMBERS-}; do
    id=$(grep -F " ${removed#*=} " <<<"$1" | cut -d' ' -f1) || true
    [ "$id" ] || continue
    echo "${removed%%=*} was removed, but is still a member of etcd; run: $(etcdctl_there)" \
      "member remove $(printf %x "$id")"
  done
}

# Fails, and says why, unless most of $1 members are healthy.
quorum() {
  healthy=0
  for url in $ETCD_URLS; do
    etcd "$url/health" >/dev/null && healthy=$((healthy + 1))
  done
  [ $((healthy * 2)) -gt "$1" ] || { echo "$healthy of $1 healthy"; return 1; }
}
