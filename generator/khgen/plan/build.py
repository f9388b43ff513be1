"""From a checked spec to the plan."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from khgen.facts.distributions import distribution
from khgen.facts.kubernetes import MinorFacts, facts_for
from khgen.facts.version import KubernetesVersion
from khgen.plan.model import Endpoint, Images, Networks, NodeKind, NodePlan, Plan, RemovedNode
from khgen.spec.model import ClusterSpec, NodeRole, NodeSpec
from khgen.spec.model.cluster import EtcdTopology
from khgen.spec.model.values import IPAddress

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
"""What a node of a role does, by whether it is a founder."""


def founders_of(spec: ClusterSpec) -> tuple[str, ...]:
    """Names of those who would found the cluster if it were rendered for the first time now."""
    founding = {NodeRole.CONTROL_PLANE, NodeRole.ETCD}
    return tuple(node.name for node in spec.nodes if node.role in founding)


def build_plan(
    spec: ClusterSpec,
    founders: Collection[str],
    replaced: Collection[str] = (),
    removed: Sequence[RemovedNode] = (),
) -> Plan:
    """The plan of a sound spec; the secrets file knows who founded, was replaced or removed."""
    version = KubernetesVersion.parse(spec.kubernetes.version)
    facts = _facts(version)
    founding, living = frozenset(founders), frozenset(founders) - frozenset(replaced)
    nodes = tuple(_node_plan(spec, node, founding, living) for node in spec.nodes)
    control_planes = _with_role(nodes, NodeRole.CONTROL_PLANE)
    external = spec.etcd.topology is EtcdTopology.EXTERNAL
    etcd_members = _with_role(nodes, NodeRole.ETCD) if external else control_planes
    return Plan(
        spec=spec,
        version=version,
        facts=facts,
        distribution=distribution(spec.os.family, spec.os.release),
        networks=_all_networks(spec),
        endpoint=endpoint_of(spec),
        images=_images(spec, version, facts),
        nodes=nodes,
        control_planes=control_planes,
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
    for node in reversed(removed):  # The machine that founded is the first of its name to leave.
        if node.name in founding and node.role is role:
            addresses[node.name] = node.address
    return MappingProxyType(dict(sorted(addresses.items())))


def _with_role(nodes: tuple[NodePlan, ...], role: NodeRole) -> tuple[NodePlan, ...]:
    """The nodes of a role by name, so that their order in the spec does not reach any file."""
    return tuple(sorted((n for n in nodes if n.role is role), key=lambda node: node.name))


def _all_networks(spec: ClusterSpec) -> Networks:
    networking = spec.networking
    return Networks(
        pods=networking.pod_subnet.networks, services=networking.service_subnet.networks
    )


def endpoint_of(spec: ClusterSpec) -> Endpoint:
    """Where the API of that cluster is reached."""
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
