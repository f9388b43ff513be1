"""The hosts that balance load: needed by a VIP, useless without one."""

from collections.abc import Iterator

from khgen.problems import Finding, Severity
from khgen.spec.check.rule import ROLES, Check
from khgen.spec.model import ClusterSpec, NodeRole

HOST = ("controlPlaneEndpoint", "host")


def balancers_without_vip(spec: ClusterSpec) -> Iterator[Finding]:
    """Load-balancer nodes while the endpoint is somebody else's load balancer."""
    if spec.control_plane_endpoint.vip is not None:
        return
    for index, node in enumerate(spec.nodes):
        if node.role is NodeRole.LOAD_BALANCER:
            message = f"load balancer '{node.name}' has no VIP to carry"
            hint = "give controlPlaneEndpoint.vip instead of host"
            yield Finding(path=("nodes", index, "role"), message=message, hint=hint)


def single_balancer(spec: ClusterSpec) -> Iterator[Finding]:
    """One load balancer alone: the VIP cannot move."""
    found = [i for i, node in enumerate(spec.nodes) if node.role is NodeRole.LOAD_BALANCER]
    if len(found) == 1:
        message = "one load balancer alone is not highly available"
        hint = "add a second load-balancer node"
        path = ("nodes", found[0], "role")
        yield Finding(path=path, message=message, hint=hint, severity=Severity.WARNING)


CHECKS = (
    Check(
        find=balancers_without_vip,
        reads=(("controlPlaneEndpoint", "vip"), HOST),
        of_nodes=("name", "role"),
    ),
    Check(find=single_balancer, reads=(ROLES,)),
)
