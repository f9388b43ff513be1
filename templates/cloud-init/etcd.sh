# Sourced by steps that talk to etcd, through its HTTP gateway.
etcd() {
  curl -sf -m 5 --cacert /etc/kubernetes/pki/etcd/ca.crt \
    --cert "$ETCD_CLIENT.crt" --key "$ETCD_CLIENT.key" "$@"
}

# An answer to $1 (member/list, ...) with body $2, from the first member that has one.
ask() {
  local url
  for url in $ETCD_URLS; do
    etcd "$url/v3/cluster/$1" -d "$2" && return
  done
  return 1
}

# ID, state, peer URL and name of each member. A founding member that never ran has a name
# already; what it lacks is a client URL.
members() {
  local list
  list=$(ask member/list '{}') || return
  python3 -c '
import json, sys
for m in json.load(sys.stdin)["members"]:
    ran = "started" if m.get("clientURLs") else "unstarted"
    state = "learner" if m.get("isLearner") else ran
    print(m["ID"], state, m["peerURLs"][0], m.get("name"))' <<<"$list"
}

# How many of the members at these URLs are healthy.
healthy() {
  local n=0 url
  for url; do
    etcd "$url/health" 2>/dev/null | grep -q '"health": *"true"' && n=$((n + 1))
  done
  echo $n
}
