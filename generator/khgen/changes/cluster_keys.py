"""What a change of each key of the cluster itself means: Kubernetes, networks, etcd, PKI, addons."""

from khgen.changes.rules import Concerned, Effect, table

_NOTHING, _RELOAD, _RESTART = Effect.NOTHING, Effect.RELOAD, Effect.RESTART
_DRAIN, _REPLACE, _NEVER = Effect.DRAIN, Effect.REPLACE, Effect.NOT_POSSIBLE
_ALL, _KUBERNETES = Concerned.EVERYONE, Concerned.KUBERNETES
_CONTROL, _ETCD = Concerned.CONTROL_PLANES, Concerned.ETCD
_BALANCERS = Concerned.LOAD_BALANCERS

_ONE_VALUE = "There is one value."
_NAME = "The secrets file is bound to the name: another name is another cluster."
_UPGRADE = (
    "khgen does not upgrade machines that are up: run kubeadm upgrade on each, drained, one minor"
    " version at a time. A new seed leaves a running node's kubeadm, kubelet and kubectl as they are."
)
_STATIC_POD = (
    "kubeadm wrote the static pods once, and joining control planes follow the kubeadm-config"
    " ConfigMap: change that ConfigMap, then replace the control planes one by one."
)
_ENCRYPTION = (
    "API servers with it and without it cannot read each other's Secrets: a render refuses the"
    " change until all of them are changed by hand and the secrets file says so."
)
_KUBELET = (
    "Each kubelet keeps the configuration that kubeadm copied from the kubelet-config ConfigMap:"
    " change that ConfigMap, then replace the machines one by one."
)
_PROXY = (
    "The founders wrote the kube-proxy ConfigMap once: change it with kubectl, then restart the"
    " DaemonSet."
)
_CERTIFICATES = (
    "The certificates are issued anew: they come into force with a new seed and a reboot, one"
    " machine at a time."
)
_NETWORK = "Certificates, pods and Services hold the old value: it needs a new cluster."
_ENDPOINT = "Certificates, kubeconfigs and kubelets hold the endpoint: it needs a new cluster."
_CLUSTER_NAME = "Every kubeconfig and the kubeadm-config ConfigMap hold it: it needs a new cluster."
_VIP_INTERFACE = "keepalived reads it again with a new seed and a reboot."
_VRRP = (
    "Load balancers with the old value and with the new one do not hear each other, so two may hold"
    " the VIP: give all of them their new seeds and reboot them together."
)
_TOPOLOGY = "The members of etcd cannot move to other hosts: it needs a new cluster."
_DATA = "etcd's data stays where it is: it needs a new cluster."
_MEMBER = (
    "The static pod of etcd was written once; beside control planes it follows the kubeadm-config"
    " ConfigMap too: change that, then replace the members one by one."
)
_ALGORITHM = "The CAs and all keys are of the old algorithm: it needs a new cluster."
_CA_KEYS = (
    "Machines that are up keep their CA keys, and the flags that go with them: replace the control"
    " planes one by one. Keys that a machine once had do not become secret again."
)
_NEW_CA = "The CAs stay as they are: it is the lifetime of new ones."
_CHECKED = "Only a render looks at it."
_TOKEN = "The founders made the token once: kubeadm token create makes another."  # noqa: S105 - no token
_APPLIED = "The founders applied it once: apply the change with kubectl."

CLUSTER_KEYS = table(
    {
        "apiVersion": (_NOTHING, _ALL, _ONE_VALUE),
        "kind": (_NOTHING, _ALL, _ONE_VALUE),
        "metadata.name": (_NEVER, _ALL, _NAME),
        "kubernetes.version": (_DRAIN, _KUBERNETES, _UPGRADE),
        "kubernetes.imageRepository": (_REPLACE, _CONTROL, _STATIC_POD),
        "kubernetes.clusterName": (_NEVER, _ALL, _CLUSTER_NAME),
        "kubernetes.featureGates": (_REPLACE, _CONTROL, _STATIC_POD),
        "kubernetes.apiServer.extraArgs": (_REPLACE, _CONTROL, _STATIC_POD),
        "kubernetes.apiServer.certSANs": (_RESTART, _CONTROL, _CERTIFICATES),
        "kubernetes.controllerManager.extraArgs": (_REPLACE, _CONTROL, _STATIC_POD),
        "kubernetes.scheduler.extraArgs": (_REPLACE, _CONTROL, _STATIC_POD),
        "kubernetes.kubelet.config": (_REPLACE, _KUBERNETES, _KUBELET),
        "kubernetes.kubeProxy.mode": (_NOTHING, _KUBERNETES, _PROXY),
        "kubernetes.kubeProxy.config": (_NOTHING, _KUBERNETES, _PROXY),
        "kubernetes.encryptionAtRest": (_NEVER, _CONTROL, _ENCRYPTION),
        "networking.podSubnet": (_NEVER, _ALL, _NETWORK),
        "networking.serviceSubnet": (_NEVER, _ALL, _NETWORK),
        "networking.dnsDomain": (_NEVER, _ALL, _NETWORK),
        "controlPlaneEndpoint.vip": (_NEVER, _ALL, _ENDPOINT),
        "controlPlaneEndpoint.host": (_NEVER, _ALL, _ENDPOINT),
        "controlPlaneEndpoint.port": (_NEVER, _ALL, _ENDPOINT),
        "controlPlaneEndpoint.interface": (_RELOAD, _BALANCERS, _VIP_INTERFACE),
        "controlPlaneEndpoint.virtualRouterId": (_RELOAD, _BALANCERS, _VRRP),
        "controlPlaneEndpoint.vrrp": (_RELOAD, _BALANCERS, _VRRP),
        "etcd.topology": (_NEVER, _ALL, _TOPOLOGY),
        "etcd.dataDir": (_NEVER, _ETCD, _DATA),
        "etcd.extraArgs": (_REPLACE, _ETCD, _MEMBER),
        "etcd.imageTag": (_REPLACE, _ETCD, _MEMBER),
        "pki.algorithm": (_NEVER, _ALL, _ALGORITHM),
        "pki.caKeys": (_REPLACE, _CONTROL, _CA_KEYS),
        "pki.caValidity": (_NOTHING, _ALL, _NEW_CA),
        "pki.certificateValidity": (_RESTART, _ALL, _CERTIFICATES),
        "pki.nodeIdentityValidity": (_RESTART, _KUBERNETES, _CERTIFICATES),
        "pki.backdate": (_RESTART, _ALL, _CERTIFICATES),
        "pki.bootWindow": (_NOTHING, _ALL, _CHECKED),
        "bootstrapToken.ttl": (_NOTHING, _CONTROL, _TOKEN),
        "addons.calico.url": (_NOTHING, _CONTROL, _APPLIED),
        "addons.calico.sha256": (_NOTHING, _CONTROL, _APPLIED),
        "addons.calico.path": (_NOTHING, _CONTROL, _APPLIED),
        "addons.calico.typha": (_NOTHING, _CONTROL, _APPLIED),
        "addons.calico.typhaReplicas": (_NOTHING, _CONTROL, _APPLIED),
        "addons.manifests[].name": (_NOTHING, _CONTROL, _APPLIED),
        "addons.manifests[].url": (_NOTHING, _CONTROL, _APPLIED),
        "addons.manifests[].sha256": (_NOTHING, _CONTROL, _APPLIED),
        "addons.manifests[].path": (_NOTHING, _CONTROL, _APPLIED),
    }
)
"""In the order of docs/spec.md."""
