"""The roles of nodes: enough control planes, etcd members and load balancers."""

from collections.abc import Iterator

from khgen.problems import Finding, Severity
from khgen.spec.check import NODES, ROLES, Check
from khgen.spec.model import ClusterSpec, NodeRole
from khgen.spec.model.cluster import EtcdTopology

TOPOLOGY = ("etcd", "topology")
MANY_MEMBERS = 7
HOST = ("controlPlaneEndpoint", "host")


def no_control_plane(spec: ClusterSpec) -> Iterator[Finding]:
    """A cluster without an API server."""
    if not any(node.role is NodeRole.CONTROL_PLANE for node in spec.nodes):
        message = "no node has the role control-plane"
        hint = "give one node (better: three) the role control-plane"
        yield Finding(path=NODES, message=message, hint=hint, at_key=True)


def etcd_hosts(spec: ClusterSpec) -> Iterator[Finding]:
    """etcd nodes in a stacked topology, or an external topology without any."""
    external = spec.etcd.topology is EtcdTopology.EXTERNAL
    hosts = [index for index, node in enumerate(spec.nodes) if node.role is NodeRole.ETCD]
    if external and not hosts:
        message = "etcd.topology is external, but no node has the role etcd"
        hint = "add three etcd nodes, or use stacked"
        yield Finding(path=TOPOLOGY, message=message, hint=hint)
    for index in () if external else hosts:
        message = f"node '{spec.nodes[index].name}' has the role etcd, but etcd.topology is stacked"
        hint = "write etcd: {topology: external}, or give the node another role"
        yield Finding(path=("nodes", index, "role"), message=message, hint=hint)


def even_members(spec: ClusterSpec) -> Iterator[Finding]:
    """An even number of etcd members: it tolerates no more failures than one member less.

    A warning while a cluster grows or changes; pki/continuity.py refuses it for a new cluster.
    """
    role, members = _etcd_members(spec)
    if members and members % 2 == 0:
        tolerated = members // 2 - 1
        message = (
            f"{members} etcd members ({role} nodes) tolerate {tolerated}"
            f" failure{'' if tolerated == 1 else 's'}, no more than {members - 1} would"
        )
        odd = f"use {members - 1} or {members + 1}"
        yield _warning(
            message, f"{odd}; ignore this while the cluster grows or a node is being replaced"
        )


def quorum(spec: ClusterSpec) -> Iterator[Finding]:
    """A single etcd member, or too many."""
    role, members = _etcd_members(spec)
    if members == 1:
        message = f"one etcd member (one {role} node) is not highly available"
        hint = "use three, or ignore this: the cluster can grow later"
        yield _warning(message, hint)
    elif members > MANY_MEMBERS:
        message = f"{members} etcd members make every write slower and the cluster no safer"
        yield _warning(message, "use 3 or 5 (etcd FAQ: no more than 7)")


def balancers_without_vip(spec: ClusterSpec) -> Iterator[Finding]:
    """Load-balancer nodes with an external load balancer as the endpoint."""
    if spec.control_plane_endpoint.vip is not None:
        return
    for index, node in enumerate(spec.nodes):
        if node.role is NodeRole.LOAD_BALANCER:
            message = f"load balancer '{node.name}' has no VIP to carry"
            hint = "give controlPlaneEndpoint.vip instead of host"
            yield Finding(path=("nodes", index, "role"), message=message, hint=hint)


def single_balancer(spec: ClusterSpec) -> Iterator[Finding]:
    """A single load balancer: the VIP cannot move."""
    found = [i for i, node in enumerate(spec.nodes) if node.role is NodeRole.LOAD_BALANCER]
    if len(found) == 1:
        message = "a single load balancer is not highly available"
        hint = "add a second load-balancer node"
        path = ("nodes", found[0], "role")
        yield Finding(path=path, message=message, hint=hint, severity=Severity.WARNING)


def _etcd_members(spec: ClusterSpec) -> tuple[NodeRole, int]:
    external = spec.etcd.topology is EtcdTopology.EXTERNAL
    role = NodeRole.ETCD if external else NodeRole.CONTROL_PLANE
    return role, sum(node.role is role for node in spec.nodes)


def _warning(message: str, hint: str) -> Finding:
    return Finding(path=NODES, message=message, hint=hint, severity=Severity.WARNING, at_key=True)


CHECKS = (
    Check(find=no_control_plane, reads=(ROLES,)),
    Check(find=etcd_hosts, reads=(ROLES, TOPOLOGY), of_nodes=("name",)),
    Check(find=even_members, reads=(ROLES, TOPOLOGY)),
    Check(find=quorum, reads=(ROLES, TOPOLOGY)),
    Check(
        find=balancers_without_vip,
        reads=(("controlPlaneEndpoint", "vip"), HOST),
        of_nodes=("name", "role"),
    ),
    Check(find=single_balancer, reads=(ROLES,)),
)
