"""The plan: what the spec means, with every default filled and every address computed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from pathlib import PurePosixPath
from types import MappingProxyType

from khgen.facts.distributions import Distribution, distribution
from khgen.facts.kubernetes import MinorFacts, facts_for
from khgen.facts.version import KubernetesVersion
from khgen.spec.model import ClusterSpec, NodeRole, NodeSpec
from khgen.spec.model.cluster import CaKeys, EtcdTopology
from khgen.spec.model.values import IPAddress, IPNetwork

API_SERVER_PORT = 6443
ETCD_CLIENT_PORT = 2379
ETCD_PEER_PORT = 2380


class NodeKind(StrEnum):
    """What a node does at its first boot: its role, and whether it founds or joins the cluster."""

    FOUNDER = "founder"
    CONTROL_PLANE_JOINER = "control-plane-joiner"
    WORKER = "worker"
    ETCD_FOUNDER = "etcd-founder"
    ETCD_JOINER = "etcd-joiner"
    LOAD_BALANCER = "load-balancer"


CONTROL_PLANE_KINDS = frozenset({NodeKind.FOUNDER, NodeKind.CONTROL_PLANE_JOINER})
ETCD_KINDS = frozenset({NodeKind.ETCD_FOUNDER, NodeKind.ETCD_JOINER})


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """One node of the cluster."""

    spec: NodeSpec
    kind: NodeKind
    founding: bool
    """Whether this machine, or an earlier one of its name, was a founding member of etcd."""
    addresses: tuple[IPAddress, ...]
    interface: str

    @property
    def name(self) -> str:
        """Host name and Kubernetes node name."""
        return self.spec.name

    @property
    def role(self) -> NodeRole:
        """Its role in the cluster."""
        return self.spec.role

    @property
    def address(self) -> IPAddress:
        """The address at which other nodes reach it."""
        return self.addresses[0]

    @property
    def joins_kubernetes(self) -> bool:
        """Whether it becomes a Kubernetes Node (etcd and load-balancer hosts do not)."""
        return self.role in {NodeRole.CONTROL_PLANE, NodeRole.WORKER}


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedNode:
    """A node that was removed from the cluster, as the secrets file records it."""

    name: str
    role: NodeRole
    address: IPAddress
    removed_at: datetime
    machines: int
    """How many machines of that name had left by then, itself included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where clients reach the API: the VIP or an external load balancer's name."""

    host: str
    port: int
    vip: IPAddress | None

    @property
    def authority(self) -> str:
        """host:port, as kubeadm's controlPlaneEndpoint wants it (IPv6 in brackets)."""
        return host_port(self.host, self.port)

    @property
    def url(self) -> str:
        """https://host:port."""
        return f"https://{self.authority}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """Pod and service networks, IPv4 and IPv6 in the spec's order."""

    pods: tuple[IPNetwork, ...]
    services: tuple[IPNetwork, ...]

    @property
    def api_service_addresses(self) -> tuple[IPAddress, ...]:
        """First address of each service network: the `kubernetes` Service."""
        return tuple(network[1] for network in self.services)


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Full names of the container images that khgen chooses instead of kubeadm."""

    pause: str
    etcd: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of the whole cluster."""

    spec: ClusterSpec
    version: KubernetesVersion
    facts: MinorFacts
    distribution: Distribution
    networks: Networks
    endpoint: Endpoint
    images: Images
    nodes: tuple[NodePlan, ...]
    control_planes: tuple[NodePlan, ...]
    workers: tuple[NodePlan, ...]
    etcd_members: tuple[NodePlan, ...]
    """Every host that runs etcd: the control planes, or the external etcd hosts."""
    load_balancers: tuple[NodePlan, ...]
    """Every host that runs haproxy and keepalived: none with an external load balancer."""
    by_name: Mapping[str, NodePlan]
    founding_addresses: Mapping[str, IPAddress]
    """Name and address of each member of the static founding cluster, by name.

    It never changes, even if a member is removed or its machine replaced: etcd computes the
    cluster's ID from this list, and a founder that boots late must compute the same ID.
    """
    removed: tuple[RemovedNode, ...]
    """Removed nodes, oldest first."""

    @property
    def stacked(self) -> bool:
        """Whether etcd runs on the control planes."""
        return not any(node.role is NodeRole.ETCD for node in self.etcd_members)

    @property
    def founding_etcd_members(self) -> tuple[NodePlan, ...]:
        """The etcd hosts of the static founding cluster that were not removed."""
        return tuple(node for node in self.etcd_members if node.founding)

    @property
    def super_admin_holder(self) -> NodePlan | None:
        """The first founder by name, sole holder of super-admin.conf; None if nodes have CA keys.

        A new machine for it, which joins, does not change the holder, so no other node's files
        change. If it is removed, perhaps before its first boot, the next founder takes its place.
        """
        if self.spec.pki.ca_keys is not CaKeys.OFFLINE:
            return None
        return next((node for node in self.control_planes if node.founding), None)

    @property
    def stale_members(self) -> tuple[tuple[str, IPAddress], ...]:
        """Name and address of each removed etcd member whose address no other member has."""
        role = NodeRole.CONTROL_PLANE if self.stacked else NodeRole.ETCD
        taken = {node.address for node in self.etcd_members}
        left = (node for node in self.removed if node.role is role and node.address not in taken)
        return tuple(dict.fromkeys((node.name, node.address) for node in left))

    @property
    def stale_nodes(self) -> tuple[str, ...]:
        """Names of removed control planes that no other node has."""
        control_planes = (node for node in self.removed if node.role is NodeRole.CONTROL_PLANE)
        names = dict.fromkeys(node.name for node in control_planes)
        return tuple(name for name in names if name not in self.by_name)

    @property
    def etcd_client_urls(self) -> tuple[str, ...]:
        """Client URL of each etcd member."""
        return tuple(url(node.address, ETCD_CLIENT_PORT) for node in self.etcd_members)


def host_port(host: str | IPAddress, port: int) -> str:
    """host:port, with an IPv6 address in brackets."""
    text = str(host)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


def url(host: str | IPAddress, port: int) -> str:
    """https://host:port, with an IPv6 address in brackets."""
    return f"https://{host_port(host, port)}"


def loopback(address: IPAddress) -> str:
    """The loopback address of the same family."""
    return {IPv4Address: "127.0.0.1", IPv6Address: "::1"}[type(address)]


KINDS: Mapping[tuple[NodeRole, bool], NodeKind] = MappingProxyType(
    {
        (NodeRole.CONTROL_PLANE, True): NodeKind.FOUNDER,
        (NodeRole.CONTROL_PLANE, False): NodeKind.CONTROL_PLANE_JOINER,
        (NodeRole.ETCD, True): NodeKind.ETCD_FOUNDER,
        (NodeRole.ETCD, False): NodeKind.ETCD_JOINER,
        (NodeRole.WORKER, False): NodeKind.WORKER,
        (NodeRole.LOAD_BALANCER, False): NodeKind.LOAD_BALANCER,
    }
)
"""The kind of a node, by its role and whether it is a founder."""


def founders_of(spec: ClusterSpec) -> tuple[str, ...]:
    """Names of the nodes that a first render of this spec would make founders."""
    founding = {NodeRole.CONTROL_PLANE, NodeRole.ETCD}
    return tuple(node.name for node in spec.nodes if node.role in founding)


def build_plan(
    spec: ClusterSpec,
    founders: Collection[str],
    replaced: Collection[str] = (),
    removed: Sequence[RemovedNode] = (),
) -> Plan:
    """The plan of a valid spec; the other arguments come from the secrets file."""
    version = KubernetesVersion.parse(spec.kubernetes.version)
    facts = _facts(version)
    founding, living = frozenset(founders), frozenset(founders) - frozenset(replaced)
    nodes = tuple(_node_plan(spec, node, founding, living) for node in spec.nodes)
    etcd_members = _etcd_members(spec, nodes)
    return Plan(
        spec=spec,
        version=version,
        facts=facts,
        distribution=distribution(spec.os.family, spec.os.release),
        networks=_all_networks(spec),
        endpoint=endpoint_of(spec),
        images=_images(spec, version, facts),
        nodes=nodes,
        control_planes=_with_role(nodes, NodeRole.CONTROL_PLANE),
        workers=_with_role(nodes, NodeRole.WORKER),
        etcd_members=etcd_members,
        load_balancers=_load_balancers(spec, nodes),
        by_name=MappingProxyType({node.name: node for node in nodes}),
        founding_addresses=_founding_addresses(etcd_members, founding, removed),
        removed=tuple(removed),
    )


def _facts(version: KubernetesVersion) -> MinorFacts:
    facts = facts_for(version)
    if facts is None:
        message = f"no facts about Kubernetes {version}: the checks let it pass"
        raise LookupError(message)
    return facts


def _node_plan(
    spec: ClusterSpec, node: NodeSpec, founding: frozenset[str], living: frozenset[str]
) -> NodePlan:
    founding_role = node.role in {NodeRole.CONTROL_PLANE, NodeRole.ETCD}
    return NodePlan(
        spec=node,
        kind=KINDS[node.role, founding_role and node.name in living],
        founding=founding_role and node.name in founding,
        addresses=(node.address, *node.additional_addresses),
        interface=node.interface or spec.control_plane_endpoint.interface,
    )


def _founding_addresses(
    members: tuple[NodePlan, ...], founding: frozenset[str], removed: Sequence[RemovedNode]
) -> Mapping[str, IPAddress]:
    role = members[0].role if members else None
    addresses = {member.name: member.address for member in members if member.founding}
    for node in reversed(removed):  # The founding machine is the first of its name to leave.
        if node.name in founding and node.role is role:
            addresses[node.name] = node.address
    return MappingProxyType(dict(sorted(addresses.items())))


def _with_role(nodes: tuple[NodePlan, ...], role: NodeRole) -> tuple[NodePlan, ...]:
    """The nodes of a role sorted by name, so their order in the spec affects no file."""
    return tuple(sorted((n for n in nodes if n.role is role), key=lambda node: node.name))


def _etcd_members(spec: ClusterSpec, nodes: tuple[NodePlan, ...]) -> tuple[NodePlan, ...]:
    external = spec.etcd.topology is EtcdTopology.EXTERNAL
    return _with_role(nodes, NodeRole.ETCD if external else NodeRole.CONTROL_PLANE)


def _all_networks(spec: ClusterSpec) -> Networks:
    networking = spec.networking
    return Networks(
        pods=networking.pod_subnet.networks, services=networking.service_subnet.networks
    )


def endpoint_of(spec: ClusterSpec) -> Endpoint:
    """Where clients reach the API of that cluster."""
    endpoint = spec.control_plane_endpoint
    return Endpoint(host=endpoint.host or str(endpoint.vip), port=endpoint.port, vip=endpoint.vip)


def _images(spec: ClusterSpec, version: KubernetesVersion, facts: MinorFacts) -> Images:
    repository = spec.kubernetes.image_repository
    pause = f"{repository}/pause:{facts.pause_tag}"
    etcd_tag = spec.etcd.image_tag or facts.etcd_tag(version.patch)
    return Images(
        pause=spec.containerd.sandbox_image or pause, etcd=f"{repository}/etcd:{etcd_tag}"
    )


def _load_balancers(spec: ClusterSpec, nodes: tuple[NodePlan, ...]) -> tuple[NodePlan, ...]:
    if spec.control_plane_endpoint.vip is None:
        return ()
    dedicated = _with_role(nodes, NodeRole.LOAD_BALANCER)
    return dedicated or _with_role(nodes, NodeRole.CONTROL_PLANE)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFile:
    """A file on a node; its owner is root, the only user that exists this early."""

    path: PurePosixPath
    content: str
    mode: int = 0o644
