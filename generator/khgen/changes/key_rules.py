"""What a change of each key of cluster.yaml means: its effect, where, and what happens."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from khgen.spec.model import NodeRole


class Effect(StrEnum):
    """What it takes to apply a change to a running cluster, least disruptive first."""

    NOTHING = "nothing"
    NEW_MACHINE = "new machine"
    RELOAD = "reload"
    RESTART = "restart"
    DRAIN = "drain"
    REPLACE = "replace"
    NOT_POSSIBLE = "not possible"


_ORDER = {effect: number for number, effect in enumerate(Effect)}

MEANINGS: Mapping[Effect, str] = MappingProxyType(
    {
        Effect.NOTHING: "no machine has to change",
        Effect.NEW_MACHINE: "only machines that boot for the first time get it",
        Effect.RELOAD: "programs take it over while they run",
        Effect.RESTART: "programs restart and pods go on;"
        " control planes and etcd members restart theirs one machine at a time",
        Effect.DRAIN: "pods leave each node first, then its programs restart, one node at a time"
        " (workers: updates.maxUnavailable)",
        Effect.REPLACE: "make a new machine for it with khgen node replace, one node at a time",
        Effect.NOT_POSSIBLE: "a running cluster cannot change it: make a new cluster",
    }
)
"""Each effect in one clause."""


def strongest(effects: Iterable[Effect]) -> Effect:
    """The most disruptive of these effects; NOTHING if there are none."""
    return max(effects, key=_ORDER.__getitem__, default=Effect.NOTHING)


class Concerned(StrEnum):
    """Which machines a key concerns."""

    EVERYONE = "every machine"
    CONTAINER_HOSTS = "all but load balancers"
    KUBERNETES = "control planes, workers"
    CONTROL_PLANES = "control planes"
    ETCD = "etcd members"
    LOAD_BALANCERS = "load balancers"
    ITSELF = "the node itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRule:
    """What a change of one key means: its effect, where, what happens, and what to do."""

    effect: Effect
    concerned: Concerned
    means: str


def table(rows: Mapping[str, tuple[Effect, Concerned, str]]) -> Mapping[str, KeyRule]:
    """The rows of a literal table as rules."""
    return MappingProxyType(
        {
            key: KeyRule(effect=effect, concerned=concerned, means=means)
            for key, (effect, concerned, means) in rows.items()
        }
    )


_ROLES: Mapping[Concerned, frozenset[NodeRole]] = MappingProxyType(
    {
        Concerned.EVERYONE: frozenset(NodeRole),
        Concerned.CONTAINER_HOSTS: frozenset(NodeRole) - {NodeRole.LOAD_BALANCER},
        Concerned.KUBERNETES: frozenset({NodeRole.CONTROL_PLANE, NodeRole.WORKER}),
        Concerned.CONTROL_PLANES: frozenset({NodeRole.CONTROL_PLANE}),
        Concerned.ETCD: frozenset({NodeRole.ETCD}),
        Concerned.LOAD_BALANCERS: frozenset({NodeRole.LOAD_BALANCER}),
        Concerned.ITSELF: frozenset(),
    }
)


def concerns(concerned: Concerned, role: NodeRole, present: Collection[NodeRole]) -> bool:
    """Whether nodes of that role are concerned, in a cluster that has the roles `present`.

    In clusters without etcd or load-balancer hosts, the control planes take their place.
    """
    roles = _ROLES[concerned]
    return role in roles or (
        bool(roles) and not roles & set(present) and role is NodeRole.CONTROL_PLANE
    )


_NOTHING, _NEW, _RELOAD = Effect.NOTHING, Effect.NEW_MACHINE, Effect.RELOAD
_RESTART = Effect.RESTART
_DRAIN, _REPLACE, _NEVER = Effect.DRAIN, Effect.REPLACE, Effect.NOT_POSSIBLE
_ALL, _KUBERNETES = Concerned.EVERYONE, Concerned.KUBERNETES
_CONTROL, _ETCD = Concerned.CONTROL_PLANES, Concerned.ETCD
_BALANCERS, _HOSTS = Concerned.LOAD_BALANCERS, Concerned.CONTAINER_HOSTS
_ITSELF = Concerned.ITSELF

_ONE_VALUE = "There is only one value."
_NAME = "The secrets file belongs to the name: another name is another cluster."
_UPGRADE = (
    "An update lets kubeadm upgrade the nodes, one minor version at a time: khgen upgrade plan lists"
    " what that needs. An image brings its own version: bake a new one and replace the machines."
)
_STATIC_POD = "An update changes the kubeadm-config ConfigMap and the static pods, one control plane at a time."
_ENCRYPTION = (
    "API servers with it and without it cannot read each other's Secrets: a render refuses the"
    " change until you have changed all of them and the secrets file by hand."
)
_KUBELET = (
    "An update changes the kubelet-config ConfigMap, then each kubelet's configuration, and restarts"
    " the kubelet."
)
_PROXY = "An update changes the kube-proxy ConfigMap and restarts the DaemonSet."
_CERTIFICATES = (
    "The certificates are issued again. An update brings them, and what reads them starts again."
)
_NETWORK = "Certificates, pods and Services hold the old value: it needs a new cluster."
_ENDPOINT = "Certificates, kubeconfigs and kubelets hold the endpoint: it needs a new cluster."
_CLUSTER_NAME = "Every kubeconfig and the kubeadm-config ConfigMap hold it: it needs a new cluster."
_VIP_INTERFACE = "An update brings it to keepalived."
_VRRP = (
    "An update brings it to keepalived. Until all hosts of the VIP have it, those with different"
    " values ignore each other, so two may hold the VIP."
)
_TOPOLOGY = "The members of etcd cannot move to other hosts: it needs a new cluster."
_DATA = "etcd's data stays where it is: it needs a new cluster."
_MEMBER = "An update changes etcd's static pod, one member at a time."
_ALGORITHM = "The CAs and all keys use the old algorithm: it needs a new cluster."
_CA_KEYS = "Replace the control planes one by one. Keys that a machine once had do not become secret again."
_NEW_CA = "The CAs stay as they are. The value applies to new CAs."
_CHECKED = "Only khgen render uses it."
_TOKEN = "The founders made the token once: make another with kubeadm token create."  # noqa: S105 - no token
_APPLIED = "The founders applied it once: apply the change with kubectl."

_POLICY = "Nodes read it from update.yaml: apply that with kubectl. No machine restarts anything."
_PULL = (
    "With the next update, nodes ask the API or no longer do. Nodes that do not ask get that update"
    " by khgen-boot apply or by an update seed."
)
_DRAINED = "Nodes get it with their next update; nothing restarts."

_SYSTEM = "khgen does not change a running system: replace the machines one by one."
_CLOUD_INIT = "Only cloud-init does it: give machines their new seeds and reboot them."
_CLOUD_INIT_AGAIN = (
    "Only cloud-init does it: after a new seed and a reboot, it runs all of it again."
)
_TIME = "An update brings it, and the time program restarts."
_TIME_PROGRAM = "An update installs the program. Pods leave the node first, as for every change of its packages."
_KERNEL = (
    "An update sets the values. One that you remove returns to the kernel's default when the machine"
    " reboots."
)
_PREPARED = "An update does it. The value unmanaged reverts nothing."
_METADATA = "An update sets the rule. Without the key, running machines can keep the rule."
_ALIASES = "An update writes /etc/hosts."
_SOURCE = "khgen does not move running machines to another source: replace them one by one."
_REPOSITORY = "Installed programs stay; later installations use it."
_URL = (
    "Nothing is installed again if the digest is the same. But pods leave the node, as for every"
    " change of its downloads."
)
_CONTAINERD = "An update brings it, and containerd restarts."
_RUNTIME = (
    "An update installs it and restarts containerd. The version of the distribution's own package"
    " stays as it is."
)
_PROGRAM = "An update installs it. Pods leave the node first, whatever the program is."
_IMAGE = "Running machines keep their image: bake a new one for new machines."
_DELIVERY = "It only changes how user-data reaches a machine."
_NODE_NAME = (
    "Another name is another node: remove the old one with khgen node remove; the new one joins."
)
_ROLE = "A machine cannot change its role: replace it."
_ADDRESS = (
    "Certificates, kubelet and etcd member hold the address: replace the machine. An update brings"
    " the address to the others."
)
_NODE_NETWORK = "Only cloud-init sets up the network: give it a new seed and reboot it."
_LABELS = (
    "An update of the control planes changes the Node, and takes back what an earlier update gave."
    " An update of the node itself restarts its kubelet."
)
_TAINTS = (
    "An update of the control planes changes the Node, and takes back what an earlier update gave."
)
_FLAGS = "An update changes the kubelet's flags and restarts it."

KEYS: Mapping[str, KeyRule] = table(
    {
        "apiVersion": (_NOTHING, _ALL, _ONE_VALUE),
        "kind": (_NOTHING, _ALL, _ONE_VALUE),
        "metadata.name": (_NEVER, _ALL, _NAME),
        "kubernetes.version": (_DRAIN, _KUBERNETES, _UPGRADE),
        "kubernetes.imageRepository": (_RESTART, _CONTROL, _STATIC_POD),
        "kubernetes.clusterName": (_NEVER, _ALL, _CLUSTER_NAME),
        "kubernetes.featureGates": (_RESTART, _CONTROL, _STATIC_POD),
        "kubernetes.apiServer.extraArgs": (_RESTART, _CONTROL, _STATIC_POD),
        "kubernetes.apiServer.certSANs": (_RESTART, _CONTROL, _CERTIFICATES),
        "kubernetes.controllerManager.extraArgs": (_RESTART, _CONTROL, _STATIC_POD),
        "kubernetes.scheduler.extraArgs": (_RESTART, _CONTROL, _STATIC_POD),
        "kubernetes.kubelet.config": (_RESTART, _KUBERNETES, _KUBELET),
        "kubernetes.kubeProxy.mode": (_RESTART, _KUBERNETES, _PROXY),
        "kubernetes.kubeProxy.config": (_RESTART, _KUBERNETES, _PROXY),
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
        "etcd.extraArgs": (_RESTART, _ETCD, _MEMBER),
        "etcd.imageTag": (_RESTART, _ETCD, _MEMBER),
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
        "os.family": (_REPLACE, _ALL, _SYSTEM),
        "os.release": (_REPLACE, _ALL, _SYSTEM),
        "os.timezone": (_RELOAD, _ALL, _CLOUD_INIT),
        "os.timeSync.program": (_DRAIN, _ALL, _TIME_PROGRAM),
        "os.timeSync.pools": (_RESTART, _ALL, _TIME),
        "os.timeSync.servers": (_RESTART, _ALL, _TIME),
        "os.sysctl.profile": (_RELOAD, _ALL, _KERNEL),
        "os.sysctl.extra": (_RELOAD, _ALL, _KERNEL),
        "os.swap": (_RELOAD, _HOSTS, _PREPARED),
        "os.selinux": (_RELOAD, _ALL, _PREPARED),
        "os.firewall": (_RELOAD, _ALL, _PREPARED),
        "os.blockMetadata": (_RELOAD, _HOSTS, _METADATA),
        "os.hosts[].address": (_RELOAD, _ALL, _ALIASES),
        "os.hosts[].names": (_RELOAD, _ALL, _ALIASES),
        "os.packageMirror": (_RELOAD, _ALL, _REPOSITORY),
        "os.sshAuthorizedKeys": (_RELOAD, _ALL, _CLOUD_INIT),
        "containerd.version": (_DRAIN, _HOSTS, _RUNTIME),
        "containerd.sandboxImage": (_RESTART, _HOSTS, _CONTAINERD),
        "containerd.registryMirrors[].registry": (_RESTART, _HOSTS, _CONTAINERD),
        "containerd.registryMirrors[].endpoints": (_RESTART, _HOSTS, _CONTAINERD),
        "containerd.registryMirrors[].caFile": (_RESTART, _HOSTS, _CONTAINERD),
        "containerd.registryMirrors[].skipVerify": (_RESTART, _HOSTS, _CONTAINERD),
        "containerd.restrictOomScoreAdj": (_RESTART, _HOSTS, _CONTAINERD),
        "containerd.nerdctl": (_DRAIN, _HOSTS, _PROGRAM),
        "containerd.buildkit": (_DRAIN, _HOSTS, _PROGRAM),
        "install.kubernetes": (_REPLACE, _KUBERNETES, _SOURCE),
        "install.containerd": (_REPLACE, _HOSTS, _SOURCE),
        "install.kubernetesRepository": (_RELOAD, _HOSTS, _REPOSITORY),
        "install.dockerRepository": (_RELOAD, _HOSTS, _REPOSITORY),
        "install.kubernetesRepositoryKey.sha256": (_RELOAD, _HOSTS, _REPOSITORY),
        "install.kubernetesRepositoryKey.path": (_RELOAD, _HOSTS, _REPOSITORY),
        "install.kubernetesRepositoryKey.text": (_RELOAD, _HOSTS, _REPOSITORY),
        "install.dockerRepositoryKey.sha256": (_RELOAD, _HOSTS, _REPOSITORY),
        "install.dockerRepositoryKey.path": (_RELOAD, _HOSTS, _REPOSITORY),
        "install.dockerRepositoryKey.text": (_RELOAD, _HOSTS, _REPOSITORY),
        "install.packageVersions.kubeadm": (_DRAIN, _KUBERNETES, _PROGRAM),
        "install.packageVersions.kubelet": (_DRAIN, _HOSTS, _PROGRAM),
        "install.packageVersions.kubectl": (_DRAIN, _KUBERNETES, _PROGRAM),
        "install.artifacts.containerd.url": (_DRAIN, _HOSTS, _URL),
        "install.artifacts.containerd.sha256": (_DRAIN, _HOSTS, _PROGRAM),
        "install.artifacts.runc.url": (_DRAIN, _HOSTS, _URL),
        "install.artifacts.runc.sha256": (_DRAIN, _HOSTS, _PROGRAM),
        "install.artifacts.cniPlugins.url": (_DRAIN, _HOSTS, _URL),
        "install.artifacts.cniPlugins.sha256": (_DRAIN, _HOSTS, _PROGRAM),
        "install.artifacts.nerdctl.url": (_DRAIN, _HOSTS, _URL),
        "install.artifacts.nerdctl.sha256": (_DRAIN, _HOSTS, _PROGRAM),
        "install.artifacts.buildkit.url": (_DRAIN, _HOSTS, _URL),
        "install.artifacts.buildkit.sha256": (_DRAIN, _HOSTS, _PROGRAM),
        "install.artifacts.crictl.url": (_DRAIN, _HOSTS, _URL),
        "install.artifacts.crictl.sha256": (_DRAIN, _HOSTS, _PROGRAM),
        "install.artifacts.kubeadm.url": (_DRAIN, _KUBERNETES, _URL),
        "install.artifacts.kubeadm.sha256": (_DRAIN, _KUBERNETES, _PROGRAM),
        "install.artifacts.kubelet.url": (_DRAIN, _HOSTS, _URL),
        "install.artifacts.kubelet.sha256": (_DRAIN, _HOSTS, _PROGRAM),
        "install.artifacts.kubectl.url": (_DRAIN, _KUBERNETES, _URL),
        "install.artifacts.kubectl.sha256": (_DRAIN, _KUBERNETES, _PROGRAM),
        "install.architecture": (_REPLACE, _ALL, _SYSTEM),
        "image.base.url": (_NEW, _ALL, _IMAGE),
        "image.base.checksum": (_NEW, _ALL, _IMAGE),
        "image.diskSize": (_NEW, _ALL, _IMAGE),
        "image.preload": (_NEW, _ALL, _IMAGE),
        "image.preloadImages": (_NEW, _ALL, _IMAGE),
        "image.preloadArchives": (_NEW, _ALL, _IMAGE),
        "updates.pull": (_RELOAD, _KUBERNETES, _PULL),
        "updates.paused": (_NOTHING, _ALL, _POLICY),
        "updates.maxUnavailable": (_NOTHING, _ALL, _POLICY),
        "updates.drainTimeout": (_NOTHING, _ALL, _DRAINED),
        "updates.window.days": (_NOTHING, _ALL, _POLICY),
        "updates.window.start": (_NOTHING, _ALL, _POLICY),
        "updates.window.length": (_NOTHING, _ALL, _POLICY),
        "userData.datasource": (_NEW, _ALL, _DELIVERY),
        "userData.gzip": (_NEW, _ALL, _DELIVERY),
        "userData.maxBytes": (_NOTHING, _ALL, _CHECKED),
        "userData.extra": (_RELOAD, _ALL, _CLOUD_INIT_AGAIN),
        "nodes[].name": (_REPLACE, _ITSELF, _NODE_NAME),
        "nodes[].role": (_REPLACE, _ITSELF, _ROLE),
        "nodes[].address": (_REPLACE, _ITSELF, _ADDRESS),
        "nodes[].additionalAddresses": (_REPLACE, _ITSELF, _ADDRESS),
        "nodes[].interface": (_RELOAD, _ITSELF, _VIP_INTERFACE),
        "nodes[].network.prefixLength": (_RESTART, _ITSELF, _NODE_NETWORK),
        "nodes[].network.gateway": (_RESTART, _ITSELF, _NODE_NETWORK),
        "nodes[].network.nameservers": (_RESTART, _ITSELF, _NODE_NETWORK),
        "nodes[].network.search": (_RESTART, _ITSELF, _NODE_NETWORK),
        "nodes[].network.interface": (_RESTART, _ITSELF, _NODE_NETWORK),
        "nodes[].network.macAddress": (_RESTART, _ITSELF, _NODE_NETWORK),
        "nodes[].network.raw": (_RESTART, _ITSELF, _NODE_NETWORK),
        "nodes[].labels": (_RESTART, _ITSELF, _LABELS),
        "nodes[].taints[].key": (_RELOAD, _ITSELF, _TAINTS),
        "nodes[].taints[].value": (_RELOAD, _ITSELF, _TAINTS),
        "nodes[].taints[].effect": (_RELOAD, _ITSELF, _TAINTS),
        "nodes[].kubeletExtraArgs": (_RESTART, _ITSELF, _FLAGS),
        "nodes[].certSANs": (_RESTART, _ITSELF, _CERTIFICATES),
    }
)
"""By dotted path, in the order of docs/spec.md; `[]` stands for any item of a list.

A mapping with free keys is one key.
"""
