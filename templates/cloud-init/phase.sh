# Without the CA's key kubeadm wants to see super-admin.conf in every phase. One founder alone holds it:
# elsewhere a copy of admin.conf stands there while a phase runs.
phase() {
  local super=/etc/kubernetes/super-admin.conf shown='' done=0
  if [ ! -e /etc/kubernetes/pki/ca.key ] && [ ! -e $super ]; then
    shown=$super
    install -m600 /etc/kubernetes/admin.conf $super
  fi
  kubeadm init phase "$@" --config /etc/khgen/kubeadm.yaml || done=$?
  [ ! "$shown" ] || rm -f "$shown"
  return $done
}
