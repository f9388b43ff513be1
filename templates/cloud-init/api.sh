# Sourced by steps that ask an API server as this node does.
api() {
  curl -sf -m 5 --cacert /etc/kubernetes/pki/ca.crt \
    --cert /var/lib/kubelet/pki/kubelet-client-current.pem "$1"
}
