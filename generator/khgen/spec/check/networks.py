"""Networks that must keep apart: nodes, VIP, pods and services."""

from collections.abc import Iterator
from itertools import combinations

from khgen.problems import Finding, Severity
from khgen.spec.check.machines import ADDRESSES, node_addresses
from khgen.spec.check.rule import Check
from khgen.spec.model import ClusterSpec
from khgen.spec.model.values import IPNetwork

POD = ("networking", "podSubnet")
SERVICE = ("networking", "serviceSubnet")
SPOKEN = {POD: "pod", SERVICE: "service"}


def subnets(spec: ClusterSpec) -> list[tuple[tuple[str, str], IPNetwork]]:
    """Each pod and service network, with its path."""
    networking = spec.networking
    return [
        *((POD, network) for network in networking.pod_subnet.networks),
        *((SERVICE, network) for network in networking.service_subnet.networks),
    ]


def host_bits(spec: ClusterSpec) -> Iterator[Finding]:
    """A network written as an address in it: read as the whole network, which is said."""
    written = ((POD, spec.networking.pod_subnet), (SERVICE, spec.networking.service_subnet))
    for path, listed in written:
        parts = (part.strip() for part in listed.text.split(","))
        for part, network in zip(parts, listed.networks, strict=True):
            if str(network.network_address) != part.partition("/")[0]:
                message = (
                    f"{part} has host bits set: it means {network}, "
                    f"all of {network[0]} to {network[-1]}"
                )
                hint = f"write {network}, or the smaller network that you meant"
                yield Finding(path=path, message=message, hint=hint, severity=Severity.WARNING)


def overlapping_subnets(spec: ClusterSpec) -> Iterator[Finding]:
    """Pods and services in one range."""
    for (path, one), (other_path, other) in combinations(subnets(spec), 2):
        if one.version == other.version and path != other_path and one.overlaps(other):
            message = f"service network {other} overlaps pod network {one}"
            yield Finding(path=SERVICE, message=message, hint="take networks that are apart")


def nodes_in_subnets(spec: ClusterSpec) -> Iterator[Finding]:
    """Machines with an address out of the pods' or services' range."""
    ranges = subnets(spec)
    for index, node in enumerate(spec.nodes):
        for path, address in node_addresses(node, index):
            for owner, network in ranges:
                if address in network:
                    message = f"address '{address}' lies in the {SPOKEN[owner]} network {network}"
                    hint = f"move the node, or change networking.{owner[1]}"
                    yield Finding(path=path, message=message, hint=hint)


def vip_in_subnets(spec: ClusterSpec) -> Iterator[Finding]:
    """A VIP out of the pods' or services' range."""
    vip = spec.control_plane_endpoint.vip
    for owner, network in subnets(spec):
        if vip is not None and vip in network:
            message = f"VIP '{vip}' lies in the {SPOKEN[owner]} network {network}"
            hint = f"take another VIP, or change networking.{owner[1]}"
            yield Finding(path=("controlPlaneEndpoint", "vip"), message=message, hint=hint)


CHECKS = (
    Check(find=host_bits, reads=(POD, SERVICE)),
    Check(find=overlapping_subnets, reads=(POD, SERVICE)),
    Check(find=nodes_in_subnets, reads=(POD, SERVICE), of_nodes=ADDRESSES),
    Check(find=vip_in_subnets, reads=(("controlPlaneEndpoint", "vip"), POD, SERVICE)),
)
