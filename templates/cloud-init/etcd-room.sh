# Sourced by steps that add this machine to a living etcd cluster.
# shellcheck source=/dev/null
. /etc/khgen/etcd.sh

# Fails, and says why, until the others are all started voters and a quorum of them is healthy.
# Then removes what the cluster still knows of an earlier life of this machine.
make_room() {
  local list others id
  list=$(members) || { echo "no member of etcd answers"; return 1; }
  others=$(grep -vF " $ETCD_PEER_URL " <<<"$list") || { echo "etcd has no other member"; return 1; }
  if grep -v ' started ' <<<"$others"; then
    echo "waiting until that member of etcd is a started voter"
    return 1
  fi
  # shellcheck disable=SC2086 # a list of URLs
  if [ $(($(healthy $ETCD_URLS) * 2)) -le "$(wc -l <<<"$list")" ]; then
    echo "too few healthy members of etcd"
    return 1
  fi
  id=$(grep -F " $ETCD_PEER_URL " <<<"$list" | cut -d' ' -f1) || return 0
  echo "removing this machine's stale member $id"
  ask member/remove "{\"ID\":\"$id\"}" >/dev/null
}
