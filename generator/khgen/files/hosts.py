"""/etc/hosts: itself and those that found the cluster, so that no name depends on DNS."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from khgen.files.node_file import NodeFile
from khgen.plan.model import NodePlan, Plan

HOSTS = PurePosixPath("/etc/hosts")
LOCALHOST = ("127.0.0.1 localhost\n", "::1 localhost\n")


def hosts_files(plan: Plan, node: NodePlan) -> tuple[NodeFile, ...]:
    """The file of one node: never all workers, so that adding one changes no other node."""
    known = (*_host_lines(node), *(line for n in _founding_hosts(plan) for line in _host_lines(n)))
    aliases = (f"{alias.address} {' '.join(alias.names)}\n" for alias in plan.spec.os.hosts)
    content = "".join((*LOCALHOST, *dict.fromkeys(known), *aliases))
    return (NodeFile(path=HOSTS, content=content),)


def _founding_hosts(plan: Plan) -> tuple[NodePlan, ...]:
    return (*plan.control_planes, *(() if plan.stacked else plan.etcd_members))


def _host_lines(node: NodePlan) -> Iterator[str]:
    return (f"{address} {node.name}\n" for address in node.addresses)
