# Prints how to run etcdctl: in the container of the member that answers.
etcdctl_there() {
  read -r name url < <(ask member/list '{}' | python3 -c '
import json, sys
answer = json.load(sys.stdin)
for member in answer["members"]:
    if member["ID"] == answer["header"]["member_id"]:
        print(member["name"], member["clientURLs"][0])')
  if [ "${ENDPOINT-}" ]; then
    place="kubectl -n kube-system exec etcd-$name -- etcdctl"
  else
    place="on $name: crictl exec \$(crictl ps -q --name etcd) etcdctl"
  fi
  pki=/etc/kubernetes/pki/etcd
  echo "$place --endpoints=$url --cacert=$pki/ca.crt --cert=$pki/server.crt --key=$pki/server.key"
}

# Prints a line for each removed node that is still in $1, the list of members, with the command that
# removes it.
# The API has decimal IDs, etcdctl expects hexadecimal ones.
stale_members() {
  for removed in $REMOVED_MEMBERS; do
    id=$(grep -F " ${removed#*=} " <<<"$1" | cut -d' ' -f1) || true
    [ "$id" ] || continue
    echo "${removed%%=*} was removed, but is still a member of etcd; run: $(etcdctl_there)" \
      "member remove $(printf %x "$id")"
  done
}

# Prints a line for each removed control plane whose Node still exists, with the command that removes
# it.
stale_nodes() {
  for name in $REMOVED_NODES; do
    if [ "$(kubectl --kubeconfig /etc/kubernetes/admin.conf get --ignore-not-found -o name node "$name")" ]; then
      echo "$name was removed, but is still a Node; run: kubectl delete node $name"
    fi
  done
}
