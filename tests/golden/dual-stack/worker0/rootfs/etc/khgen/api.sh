api() {
  curl -sf -m 5 --cacert /etc/kubernetes/pki/ca.crt \
    --cert /var/lib/kubelet/pki/kubelet-client-current.pem "$1" ||
    { echo "$1: curl error $?" >&2; return 1; }
}
