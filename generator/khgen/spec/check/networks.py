"""The networks of pods and services: no overlaps, the right size and family."""

from collections.abc import Iterator
from itertools import combinations

from khgen.problems import Finding, Severity, quoted
from khgen.spec.check import Check
from khgen.spec.check.addresses import ADDRESSES, node_addresses
from khgen.spec.check.components import CONTROLLER_MANAGER, go_bool
from khgen.spec.model import ClusterSpec, NodeRole
from khgen.spec.model.values import IPNetwork, NetworkList

POD = ("networking", "podSubnet")
SERVICE = ("networking", "serviceSubnet")
SPOKEN = {POD: "pod", SERVICE: "service"}
MINIMUM_ADDRESSES_IN_SERVICE_SUBNET = 10
MAXIMUM_BITS_FOR_SERVICE_SUBNET = 20
POD_SUBNET_NODE_MASK_MAX_DIFF = 16
"""Limits of kubeadm and the API server: kubeadm 1.29 app/apis/kubeadm/validation/validation.go
(ValidateNetworking and what it calls) and app/constants/constants.go."""
DEFAULT_NODE_MASK = {4: 24, 6: 64}
NODE_MASK_FLAGS = {4: "node-cidr-mask-size-ipv4", 6: "node-cidr-mask-size-ipv6"}
NODE_MASK = "node-cidr-mask-size"
NODE_MASK_BITS = {NODE_MASK_FLAGS[4]: 32, NODE_MASK_FLAGS[6]: 128}


def subnets(spec: ClusterSpec) -> list[tuple[tuple[str, str], IPNetwork]]:
    """Each pod and service network, with its path."""
    networking = spec.networking
    return [
        *((POD, network) for network in networking.pod_subnet.networks),
        *((SERVICE, network) for network in networking.service_subnet.networks),
    ]


def host_bits(spec: ClusterSpec) -> Iterator[Finding]:
    """A network with host bits set: khgen reads it as the whole network."""
    written = ((POD, spec.networking.pod_subnet), (SERVICE, spec.networking.service_subnet))
    for path, listed in written:
        parts = (part.strip() for part in listed.text.split(","))
        for part, network in zip(parts, listed.networks, strict=True):
            if str(network.network_address) != part.partition("/")[0]:
                message = (
                    f"{part} has host bits set: it means {network}, "
                    f"all of {network[0]} to {network[-1]}"
                )
                hint = f"write {network}, or a smaller network"
                yield Finding(path=path, message=message, hint=hint, severity=Severity.WARNING)


def overlapping_subnets(spec: ClusterSpec) -> Iterator[Finding]:
    """Overlapping networks of pods and services."""
    for (path, one), (other_path, other) in combinations(subnets(spec), 2):
        if one.version == other.version and path != other_path and one.overlaps(other):
            message = f"service network {other} overlaps pod network {one}"
            yield Finding(path=SERVICE, message=message, hint="use networks that do not overlap")


def nodes_in_subnets(spec: ClusterSpec) -> Iterator[Finding]:
    """Machines with an address in the network of pods or services."""
    ranges = subnets(spec)
    for index, node in enumerate(spec.nodes):
        for path, address in node_addresses(node, index):
            for owner, network in ranges:
                if address in network:
                    message = f"address '{address}' is in the {SPOKEN[owner]} network {network}"
                    hint = f"change the address, or networking.{owner[1]}"
                    yield Finding(path=path, message=message, hint=hint)


def vip_in_subnets(spec: ClusterSpec) -> Iterator[Finding]:
    """A VIP in the network of pods or services."""
    vip = spec.control_plane_endpoint.vip
    for owner, network in subnets(spec):
        if vip is not None and vip in network:
            message = f"VIP '{vip}' is in the {SPOKEN[owner]} network {network}"
            hint = f"change the VIP, or networking.{owner[1]}"
            yield Finding(path=("controlPlaneEndpoint", "vip"), message=message, hint=hint)


def service_subnet_size(spec: ClusterSpec) -> Iterator[Finding]:
    """A service network without a tenth address (DNS), or larger than the API server accepts."""
    for network in spec.networking.service_subnet.networks:
        if network.num_addresses < MINIMUM_ADDRESSES_IN_SERVICE_SUBNET:
            message = (
                f"service network {network} is too small: it has {network.num_addresses} "
                f"addresses, kubeadm needs at least {MINIMUM_ADDRESSES_IN_SERVICE_SUBNET}"
            )
            yield Finding(path=SERVICE, message=message, hint="use a /16; the minimum is a /28")
        largest = network.max_prefixlen - MAXIMUM_BITS_FOR_SERVICE_SUBNET
        if network.prefixlen < largest:
            message = f"service network {network} is too large: the API server accepts /{largest}"
            yield Finding(path=SERVICE, message=message, hint=f"use a /{largest} or smaller")


def pod_subnet_size(spec: ClusterSpec) -> Iterator[Finding]:
    """A pod network that the controller manager cannot divide among the nodes."""
    arguments = spec.kubernetes.controller_manager.extra_args
    if go_bool(arguments.get("allocate-node-cidrs")) is False:
        return
    nodes = sum(n.role in {NodeRole.CONTROL_PLANE, NodeRole.WORKER} for n in spec.nodes)
    for network in spec.networking.pod_subnet.networks:
        mask = arguments.get(NODE_MASK_FLAGS[network.version], "")
        # node_mask_flags refuses anything else.
        sound = is_mask(mask, network.max_prefixlen)
        node_mask = int(mask) if sound else DEFAULT_NODE_MASK[network.version]
        finding = _pod_finding(network, node_mask, nodes)
        if finding is not None:
            yield finding


def node_mask_flags(spec: ClusterSpec) -> Iterator[Finding]:
    """Node mask sizes with which the controller manager does not start.

    Source: Kubernetes 1.29 cmd/kube-controller-manager/app/core.go, setNodeCIDRMaskSizes.
    """
    arguments = spec.kubernetes.controller_manager.extra_args
    families = set(spec.networking.pod_subnet.versions)
    bits = {NODE_MASK: 128 if families == {6} else 32, **NODE_MASK_BITS}
    for flag in (flag for flag in bits if arguments.get(flag)):
        path = (*CONTROLLER_MANAGER, flag)
        value = arguments[flag]
        family = next((f for f, name in NODE_MASK_FLAGS.items() if name == flag), None)
        if not is_mask(value, bits[flag]):
            message = f"{flag} {quoted(value)} is not a whole number from 1 to {bits[flag]}"
            yield Finding(path=path, message=message, hint="give the prefix length, like 24")
        elif family is None and len(families) > 1:
            message = f"{flag} is not allowed with two families of pods"
            hint = f"use {NODE_MASK_FLAGS[4]} and {NODE_MASK_FLAGS[6]}"
            yield Finding(path=path, message=message, hint=hint, at_key=True)
        elif family is not None and (family not in families or arguments.get(NODE_MASK)):
            reason = f"beside {NODE_MASK}" if family in families else f"without IPv{family} pods"
            message = f"{flag} is not allowed {reason}"
            yield Finding(path=path, message=message, hint="remove it", at_key=True)


def is_mask(text: str, bits: int) -> bool:
    """Whether a text is a prefix length; Python does not convert thousands of digits."""
    return text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= bits and len(text) <= 9


def _pod_finding(network: IPNetwork, node_mask: int, nodes: int) -> Finding | None:
    room = 2 ** max(0, node_mask - network.prefixlen)
    flag = NODE_MASK_FLAGS[network.version]
    if network.prefixlen > node_mask:
        message = f"pod network {network} is smaller than the /{node_mask} of each node"
        hint = f"use a larger network, or set controllerManager.extraArgs.{flag}"
    elif node_mask - network.prefixlen > POD_SUBNET_NODE_MASK_MAX_DIFF:
        message = f"pod network {network} is too large for a /{node_mask} on each node"
        hint = f"use a /{node_mask - POD_SUBNET_NODE_MASK_MAX_DIFF} or smaller"
    elif room < nodes:
        message = (
            f"pod network {network} has room for {room} nodes with a /{node_mask} each, "
            f"but there are {nodes}"
        )
        hint = f"use a larger network, or set controllerManager.extraArgs.{flag}"
    else:
        return None
    return Finding(path=POD, message=message, hint=hint)


def pods_and_services(spec: ClusterSpec) -> Iterator[Finding]:
    """Networks of pods and services with different families, or in different order."""
    pods, services = spec.networking.pod_subnet, spec.networking.service_subnet
    if pods.versions == services.versions:
        return
    message = f"pods use {_spoken(pods)}, but services use {_spoken(services)}"
    hint = "give both networks the same families in the same order"
    yield Finding(path=SERVICE, message=message, hint=hint)


def node_families(spec: ClusterSpec) -> Iterator[Finding]:
    """Kubernetes nodes without an address of one of the cluster's families."""
    families = spec.networking.service_subnet.versions
    for index, node in enumerate(spec.nodes):
        if node.role not in {NodeRole.CONTROL_PLANE, NodeRole.WORKER}:
            continue
        if node.address.version != families[0]:
            message = (
                f"address '{node.address}' is IPv{node.address.version}, "
                f"but the cluster's first family is IPv{families[0]}"
            )
            hint = "change the order in networking, or the node's address"
            yield Finding(path=("nodes", index, "address"), message=message, hint=hint)
        have = {node.address.version, *(a.version for a in node.additional_addresses)}
        for missing in (family for family in families[1:] if family not in have):
            message = f"node '{node.name}' has no IPv{missing} address in this dual-stack cluster"
            hint = "add one in additionalAddresses"
            path = ("nodes", index, "address")
            yield Finding(path=path, message=message, hint=hint)


def one_address_a_family(spec: ClusterSpec) -> Iterator[Finding]:
    """A node with two addresses of one family: the kubelet accepts one of each."""
    for index, node in enumerate(spec.nodes):
        seen = {node.address.version}
        for number, address in enumerate(node.additional_addresses):
            if address.version in seen:
                message = f"'{address}' is a second IPv{address.version} address of this node"
                hint = "remove it; for certificates only, use certSANs"
                path = ("nodes", index, "additionalAddresses", number)
                yield Finding(path=path, message=message, hint=hint)
            seen.add(address.version)


def _spoken(networks: NetworkList) -> str:
    return " and ".join(f"IPv{version}" for version in networks.versions)


CHECKS = (
    Check(find=host_bits, reads=(POD, SERVICE)),
    Check(find=overlapping_subnets, reads=(POD, SERVICE)),
    Check(find=nodes_in_subnets, reads=(POD, SERVICE), of_nodes=ADDRESSES),
    Check(find=vip_in_subnets, reads=(("controlPlaneEndpoint", "vip"), POD, SERVICE)),
    Check(find=service_subnet_size, reads=(SERVICE,)),
    Check(find=node_mask_flags, reads=(POD, CONTROLLER_MANAGER)),
    Check(find=pod_subnet_size, reads=(POD, CONTROLLER_MANAGER), of_nodes=("role",)),
    Check(find=pods_and_services, reads=(POD, SERVICE)),
    Check(find=node_families, reads=(SERVICE,), of_nodes=("name", "role", *ADDRESSES)),
    Check(find=one_address_a_family, of_nodes=ADDRESSES),
)
