"""IPv4 and IPv6: pods, services and nodes speak the same families, or none of it works."""

from collections.abc import Iterator

from khgen.problems import Finding
from khgen.spec.check.machines import ADDRESSES
from khgen.spec.check.networks import POD, SERVICE
from khgen.spec.check.rule import Check
from khgen.spec.model import ClusterSpec, NodeRole
from khgen.spec.model.values import NetworkList


def pods_and_services(spec: ClusterSpec) -> Iterator[Finding]:
    """Networks of different families for pods and services, or in different order."""
    pods, services = spec.networking.pod_subnet, spec.networking.service_subnet
    if pods.versions == services.versions:
        return
    message = f"pods use {_spoken(pods)}, services use {_spoken(services)}"
    hint = "give both networks the same families in the same order"
    yield Finding(path=SERVICE, message=message, hint=hint)


def node_families(spec: ClusterSpec) -> Iterator[Finding]:
    """Kubernetes nodes without an address of a family that the cluster uses."""
    families = spec.networking.service_subnet.versions
    for index, node in enumerate(spec.nodes):
        if node.role not in {NodeRole.CONTROL_PLANE, NodeRole.WORKER}:
            continue
        if node.address.version != families[0]:
            message = (
                f"address '{node.address}' is IPv{node.address.version}, "
                f"the cluster's first family is IPv{families[0]}"
            )
            hint = "change the order in networking, or the node's first address"
            yield Finding(path=("nodes", index, "address"), message=message, hint=hint)
        have = {node.address.version, *(a.version for a in node.additional_addresses)}
        for missing in (family for family in families[1:] if family not in have):
            message = f"node '{node.name}' has no IPv{missing} address in this dual-stack cluster"
            hint = "give one in additionalAddresses"
            path = ("nodes", index, "address")
            yield Finding(path=path, message=message, hint=hint)


def one_address_a_family(spec: ClusterSpec) -> Iterator[Finding]:
    """A node with two addresses of one family: the kubelet takes one of each."""
    for index, node in enumerate(spec.nodes):
        seen = {node.address.version}
        for number, address in enumerate(node.additional_addresses):
            if address.version in seen:
                message = f"'{address}' is a second IPv{address.version} address of this node"
                hint = "for its certificates, give it in certSANs"
                path = ("nodes", index, "additionalAddresses", number)
                yield Finding(path=path, message=message, hint=hint)
            seen.add(address.version)


def _spoken(networks: NetworkList) -> str:
    return " and ".join(f"IPv{version}" for version in networks.versions)


CHECKS = (
    Check(find=pods_and_services, reads=(POD, SERVICE)),
    Check(find=node_families, reads=(SERVICE,), of_nodes=("name", "role", *ADDRESSES)),
    Check(find=one_address_a_family, of_nodes=ADDRESSES),
)
