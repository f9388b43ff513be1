"""What a change of each key of cluster.yaml means: its effect, where, and what to do."""

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
        Effect.RELOAD: "a service reads its configuration again;"
        " for now, give the machine its new seed and reboot it",
        Effect.RESTART: "programs restart;"
        " for now, give each machine its new seed and reboot it, one machine at a time",
        Effect.DRAIN: "drain the node first, so that its pods move to other nodes",
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
    "khgen does not upgrade running machines: drain each and run kubeadm upgrade, one minor version"
    " at a time. A new seed leaves a running node's kubeadm, kubelet and kubectl as they are."
)
_STATIC_POD = (
    "kubeadm wrote the static pods once, and joining control planes follow the kubeadm-config"
    " ConfigMap: change that ConfigMap, then replace the control planes one by one."
)
_ENCRYPTION = (
    "API servers with it and without it cannot read each other's Secrets: a render refuses the"
    " change until you have changed all of them and the secrets file by hand."
)
_KUBELET = (
    "Each kubelet keeps the configuration that kubeadm copied from the kubelet-config ConfigMap:"
    " change that ConfigMap, then replace the machines one by one."
)
_PROXY = (
    "The founders wrote the kube-proxy ConfigMap once: change it with kubectl and restart the"
    " DaemonSet."
)
_CERTIFICATES = (
    "The certificates are issued again: give machines their new seeds and reboot them, one machine"
    " at a time."
)
_NETWORK = "Certificates, pods and Services hold the old value: it needs a new cluster."
_ENDPOINT = "Certificates, kubeconfigs and kubelets hold the endpoint: it needs a new cluster."
_CLUSTER_NAME = "Every kubeconfig and the kubeadm-config ConfigMap hold it: it needs a new cluster."
_VIP_INTERFACE = "keepalived reads it after a new seed and a reboot."
_VRRP = (
    "Load balancers with different values ignore each other, so two may hold the VIP: give all of"
    " them their new seeds and reboot them together."
)
_TOPOLOGY = "The members of etcd cannot move to other hosts: it needs a new cluster."
_DATA = "etcd's data stays where it is: it needs a new cluster."
_MEMBER = (
    "etcd's static pod was written once. On control planes it also follows the kubeadm-config"
    " ConfigMap: change that, then replace the members one by one."
)
_ALGORITHM = "The CAs and all keys use the old algorithm: it needs a new cluster."
_CA_KEYS = (
    "Running machines keep their CA keys and the matching flags: replace the control planes one by"
    " one. Keys that a machine once had do not become secret again."
)
_NEW_CA = "The CAs stay as they are. The value applies to new CAs."
_CHECKED = "Only khgen render uses it."
_TOKEN = "The founders made the token once: make another with kubeadm token create."  # noqa: S105 - no token
_APPLIED = "The founders applied it once: apply the change with kubectl."

_POLICY = "Nodes read it from update.yaml: apply that with kubectl. No machine restarts anything."
_PULL = (
    "A new seed and a reboot bring the timer to running machines, or stop it. Without the timer, they"
    " get updates by khgen-boot apply or by an update seed."
)
_DRAINED = "Nodes get it with their next update; nothing restarts."

_SYSTEM = "khgen does not change a running system: replace the machines one by one."
_CLOUD_INIT = "cloud-init does it after a new seed and a reboot."
_CLOUD_INIT_AGAIN = "After a new seed and a reboot, cloud-init runs all of it again."
_TIME = "The time program uses it after a new seed and a reboot."
_KERNEL = (
    "The settings take effect after a new seed and a reboot. One that you remove returns to the"
    " kernel's default."
)
_PREPARED = "It takes effect after a new seed and a reboot. The value unmanaged reverts nothing."
_METADATA = "A new seed and a reboot set the rule. Without the key, running machines keep the rule."
_ALIASES = "/etc/hosts is written after a new seed and a reboot."
_INSTALLED = (
    "Installed programs stay. Give the new seed only to new machines: a running machine would"
    " install the programs again."
)
_REPOSITORY = "Installed programs stay; later installations use it."
_CONTAINERD = "containerd reads it after a new seed and a reboot."
_RUNTIME = "A new seed and a reboot install it: drain the node first."
_KUBELET_PROGRAM = (
    "Running machines keep theirs: drain each and install it by hand, one minor version at a time."
)
_TOOL = "Running machines keep theirs: install it by hand, or leave it to new machines."
_IMAGE = "Running machines keep their image: bake a new one for new machines."
_DELIVERY = "It only changes how user-data reaches a machine."
_NODE_NAME = (
    "Another name is another node: remove the old one with khgen node remove; the new one joins."
)
_ROLE = "A machine cannot change its role: replace it."
_ADDRESS = (
    "Certificates, kubelet and etcd member hold the address: replace the machine. The others reload"
    " the files that contain it."
)
_NODE_NETWORK = "cloud-init sets up the network again after a new seed and a reboot."
_LABELS = "Kubelets register with them once: use kubectl label on running nodes."
_TAINTS = "Kubelets register with them once: use kubectl taint on running nodes."
_FLAGS = "kubeadm wrote the kubelet's flags once, when the node joined: replace the machine."
_OWN_CERTIFICATES = "Its certificates are issued again: give it its new seed and reboot it."

KEYS: Mapping[str, KeyRule] = table(
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
        "os.family": (_REPLACE, _ALL, _SYSTEM),
        "os.release": (_REPLACE, _ALL, _SYSTEM),
        "os.timezone": (_RELOAD, _ALL, _CLOUD_INIT),
        "os.timeSync.program": (_RESTART, _ALL, _TIME),
        "os.timeSync.pools": (_RESTART, _ALL, _TIME),
        "os.timeSync.servers": (_RESTART, _ALL, _TIME),
        "os.sysctl.profile": (_RESTART, _ALL, _KERNEL),
        "os.sysctl.extra": (_RESTART, _ALL, _KERNEL),
        "os.swap": (_RESTART, _HOSTS, _PREPARED),
        "os.selinux": (_RESTART, _ALL, _PREPARED),
        "os.firewall": (_RESTART, _ALL, _PREPARED),
        "os.blockMetadata": (_RESTART, _HOSTS, _METADATA),
        "os.hosts[].address": (_RELOAD, _ALL, _ALIASES),
        "os.hosts[].names": (_RELOAD, _ALL, _ALIASES),
        "os.packageMirror": (_NEW, _ALL, _REPOSITORY),
        "os.sshAuthorizedKeys": (_RELOAD, _ALL, _CLOUD_INIT),
        "containerd.version": (_DRAIN, _HOSTS, _RUNTIME),
        "containerd.sandboxImage": (_RESTART, _HOSTS, _CONTAINERD),
        "containerd.registryMirrors[].registry": (_RESTART, _HOSTS, _CONTAINERD),
        "containerd.registryMirrors[].endpoints": (_RESTART, _HOSTS, _CONTAINERD),
        "containerd.registryMirrors[].caFile": (_RESTART, _HOSTS, _CONTAINERD),
        "containerd.registryMirrors[].skipVerify": (_RESTART, _HOSTS, _CONTAINERD),
        "containerd.restrictOomScoreAdj": (_RESTART, _HOSTS, _CONTAINERD),
        "containerd.nerdctl": (_NEW, _HOSTS, _TOOL),
        "containerd.buildkit": (_RESTART, _HOSTS, _TOOL),
        "install.kubernetes": (_NEW, _KUBERNETES, _INSTALLED),
        "install.containerd": (_NEW, _HOSTS, _INSTALLED),
        "install.kubernetesRepository": (_NEW, _HOSTS, _REPOSITORY),
        "install.dockerRepository": (_NEW, _HOSTS, _REPOSITORY),
        "install.kubernetesRepositoryKey.sha256": (_NEW, _HOSTS, _REPOSITORY),
        "install.kubernetesRepositoryKey.path": (_NEW, _HOSTS, _REPOSITORY),
        "install.kubernetesRepositoryKey.text": (_NEW, _HOSTS, _REPOSITORY),
        "install.dockerRepositoryKey.sha256": (_NEW, _HOSTS, _REPOSITORY),
        "install.dockerRepositoryKey.path": (_NEW, _HOSTS, _REPOSITORY),
        "install.dockerRepositoryKey.text": (_NEW, _HOSTS, _REPOSITORY),
        "install.packageVersions.kubeadm": (_NEW, _KUBERNETES, _TOOL),
        "install.packageVersions.kubelet": (_DRAIN, _HOSTS, _KUBELET_PROGRAM),
        "install.packageVersions.kubectl": (_NEW, _KUBERNETES, _TOOL),
        "install.artifacts.containerd.url": (_NEW, _HOSTS, _REPOSITORY),
        "install.artifacts.containerd.sha256": (_DRAIN, _HOSTS, _RUNTIME),
        "install.artifacts.runc.url": (_NEW, _HOSTS, _REPOSITORY),
        "install.artifacts.runc.sha256": (_DRAIN, _HOSTS, _RUNTIME),
        "install.artifacts.cniPlugins.url": (_NEW, _HOSTS, _REPOSITORY),
        "install.artifacts.cniPlugins.sha256": (_NEW, _HOSTS, _TOOL),
        "install.artifacts.nerdctl.url": (_NEW, _HOSTS, _REPOSITORY),
        "install.artifacts.nerdctl.sha256": (_NEW, _HOSTS, _TOOL),
        "install.artifacts.buildkit.url": (_NEW, _HOSTS, _REPOSITORY),
        "install.artifacts.buildkit.sha256": (_RESTART, _HOSTS, _TOOL),
        "install.artifacts.crictl.url": (_NEW, _HOSTS, _REPOSITORY),
        "install.artifacts.crictl.sha256": (_NEW, _HOSTS, _TOOL),
        "install.artifacts.kubeadm.url": (_NEW, _KUBERNETES, _REPOSITORY),
        "install.artifacts.kubeadm.sha256": (_NEW, _KUBERNETES, _TOOL),
        "install.artifacts.kubelet.url": (_NEW, _HOSTS, _REPOSITORY),
        "install.artifacts.kubelet.sha256": (_DRAIN, _HOSTS, _KUBELET_PROGRAM),
        "install.artifacts.kubectl.url": (_NEW, _KUBERNETES, _REPOSITORY),
        "install.artifacts.kubectl.sha256": (_NEW, _KUBERNETES, _TOOL),
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
        "nodes[].labels": (_NEW, _ITSELF, _LABELS),
        "nodes[].taints[].key": (_NEW, _ITSELF, _TAINTS),
        "nodes[].taints[].value": (_NEW, _ITSELF, _TAINTS),
        "nodes[].taints[].effect": (_NEW, _ITSELF, _TAINTS),
        "nodes[].kubeletExtraArgs": (_REPLACE, _ITSELF, _FLAGS),
        "nodes[].certSANs": (_RESTART, _ITSELF, _OWN_CERTIFICATES),
    }
)
"""By dotted path, in the order of docs/spec.md; `[]` stands for any item of a list.

A mapping with free keys is one key.
"""
