"""Whether somebody founds the cluster: the founders on record, against the nodes of the spec."""

from collections.abc import Iterator

from khgen.pki.identity import BEFORE_BOOT
from khgen.pki.secrets import Secrets, founding_nodes
from khgen.problems import Finding
from khgen.spec.model import ClusterSpec, NodeRole
from khgen.spec.model.cluster import EtcdTopology


def founder_findings(spec: ClusterSpec, secrets: Secrets) -> Iterator[Finding]:
    """An error for each role that has lost all its founders, some of them without a record of it.

    Where all left on record, each replaced or removed in its turn, the cluster lives, and nodes
    that only join are right.
    """
    names = {role: {n.name for n in spec.nodes if n.role is role} for role in _founding_roles(spec)}
    founders = founding_nodes(secrets)
    gone = [name for name in founders if not any(name in nodes for nodes in names.values())]
    for role, nodes in names.items():
        if nodes and gone and nodes.isdisjoint(founders):
            yield Finding(
                path=("nodes",),
                message="nobody founds the cluster: the secrets file has the founders"
                f" {', '.join(founders)}, and none of them is a {role} node here",
                hint=f"{BEFORE_BOOT}; in a living cluster, record with khgen node remove that"
                f" {', '.join(gone)} left it",
                at_key=True,
            )


def _founding_roles(spec: ClusterSpec) -> tuple[NodeRole, ...]:
    if spec.etcd.topology is EtcdTopology.EXTERNAL:
        return (NodeRole.CONTROL_PLANE, NodeRole.ETCD)
    return (NodeRole.CONTROL_PLANE,)
