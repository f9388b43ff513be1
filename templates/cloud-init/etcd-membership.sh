# shellcheck source=/dev/null
. /etc/khgen/etcd.sh

# Fails with the reason until etcd can take this machine as a new member without danger to its
# quorum: no removed node is still a member, all others are started voters, and a quorum of them is
# healthy. Then it removes the member that an earlier installation of this machine left.
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
