"""/etc/hosts: no name that a node needs depends on DNS."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from khgen.plan.model import CONTROL_PLANE_KINDS, ETCD_KINDS, NodePlan, Plan
from khgen.plan.node_file import NodeFile

HOSTS = PurePosixPath("/etc/hosts")
LOCALHOST = ("127.0.0.1 localhost\n", "::1 localhost\n")


def hosts_files(plan: Plan, node: NodePlan) -> tuple[NodeFile, ...]:
    """The file of one node: itself, and for those that found the cluster also each other.

    A worker reaches everything by address; so adding any node changes no worker.
    """
    known = [line for other in (node, *_partners(plan, node)) for line in _host_lines(other)]
    aliases = (f"{alias.address} {' '.join(alias.names)}\n" for alias in plan.spec.os.hosts)
    content = "".join((*LOCALHOST, *dict.fromkeys(known), *aliases))
    return (NodeFile(path=HOSTS, content=content),)


def _partners(plan: Plan, node: NodePlan) -> tuple[NodePlan, ...]:
    if node.kind not in CONTROL_PLANE_KINDS | ETCD_KINDS:
        return ()
    return (*plan.control_planes, *(() if plan.stacked else plan.etcd_members))


def _host_lines(node: NodePlan) -> Iterator[str]:
    return (f"{address} {node.name}\n" for address in node.addresses)
