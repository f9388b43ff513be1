"""TEST TOOL: takes the place of kubelet, kubeadm and kubectl where Kubernetes is not at hand.

Everything else on a host is real. The kubelet here runs the very command lines of the static pods
that khgen rendered, or that kubeadm's patches made, with the real etcd; kube-apiserver becomes a
small server with the node's real certificates, whose /readyz is true while etcd has quorum and
which keeps its objects in that etcd. kubeadm does what its phases do to files and objects, no
more: nothing here is a claim about Kubernetes itself, which `-m kubernetes` tests are for.
"""
