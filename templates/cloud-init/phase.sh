# Without the CA's key, kubeadm expects super-admin.conf in every phase. Only one founder holds it. On
# the others, a copy of admin.conf takes its place while a phase runs.
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
