# shellcheck source=/dev/null
. /etc/khgen/etcd.sh

# Fails, and says why, until etcd can take this machine as a new member without danger to its
# quorum: no removed node is a member any more, the others are all started voters, and a quorum of
# them is healthy. Then removes what the cluster still knows of an earlier life of this machine.
prepare_membership() {
  list=$(members) || return
  stale=${REMOVED_MEMBERS:+$(stale_members "$list")}
  [ -z "$stale" ] || { echo "$stale"; return 1; }
  others=$(grep -vF " $ETCD_PEER_URL " <<<"$list") || { echo "etcd has no other member"; return 1; }
  if grep -v ' started$' <<<"$others"; then
    echo "waiting until that member of etcd is a started voter"
    return 1
  fi
  quorum "$(wc -l <<<"$list")" || return
  id=$(grep -F " $ETCD_PEER_URL " <<<"$list" | cut -d' ' -f1) || return 0
  echo "removing this machine's stale member $id"
  ask member/remove "{\"ID\":\"$id\"}" >/dev/null
}
