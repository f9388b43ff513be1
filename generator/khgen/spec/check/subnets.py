"""Sizes of the pod and service networks, as kubeadm and the API server want them.

Source: kubeadm 1.29 app/apis/kubeadm/validation/validation.go (ValidateNetworking and what it
calls) and app/constants/constants.go.
"""

from collections.abc import Iterator

from khgen.problems import Finding, quoted
from khgen.spec.check.go_text import go_bool
from khgen.spec.check.networks import POD, SERVICE
from khgen.spec.check.rule import Check
from khgen.spec.model import ClusterSpec, NodeRole
from khgen.spec.model.values import IPNetwork

MINIMUM_ADDRESSES_IN_SERVICE_SUBNET = 10
MAXIMUM_BITS_FOR_SERVICE_SUBNET = 20
POD_SUBNET_NODE_MASK_MAX_DIFF = 16
DEFAULT_NODE_MASK = {4: 24, 6: 64}
NODE_MASK_FLAGS = {4: "node-cidr-mask-size-ipv4", 6: "node-cidr-mask-size-ipv6"}
NODE_MASK = "node-cidr-mask-size"
NODE_MASK_BITS = {NODE_MASK_FLAGS[4]: 32, NODE_MASK_FLAGS[6]: 128}
CONTROLLER_MANAGER_ARGS = ("kubernetes", "controllerManager", "extraArgs")


def service_subnet_size(spec: ClusterSpec) -> Iterator[Finding]:
    """Services: room for the DNS address, the tenth, and no more than the API server takes."""
    for network in spec.networking.service_subnet.networks:
        if network.num_addresses < MINIMUM_ADDRESSES_IN_SERVICE_SUBNET:
            message = (
                f"service network {network} is too small: it has {network.num_addresses} "
                f"addresses, kubeadm wants {MINIMUM_ADDRESSES_IN_SERVICE_SUBNET} or more"
            )
            yield Finding(path=SERVICE, message=message, hint="take a /16, or at the least a /28")
        largest = network.max_prefixlen - MAXIMUM_BITS_FOR_SERVICE_SUBNET
        if network.prefixlen < largest:
            message = f"service network {network} is too large: the API server takes /{largest}"
            yield Finding(path=SERVICE, message=message, hint=f"take a /{largest} or smaller")


def pod_subnet_size(spec: ClusterSpec) -> Iterator[Finding]:
    """Pods: every node gets a piece of the network, cut by the controller manager."""
    arguments = spec.kubernetes.controller_manager.extra_args
    if go_bool(arguments.get("allocate-node-cidrs")) is False:
        return
    nodes = sum(n.role in {NodeRole.CONTROL_PLANE, NodeRole.WORKER} for n in spec.nodes)
    for network in spec.networking.pod_subnet.networks:
        mask = arguments.get(NODE_MASK_FLAGS[network.version], "")
        # What is no mask, node_mask_flags refuses.
        sound = is_mask(mask, network.max_prefixlen)
        node_mask = int(mask) if sound else DEFAULT_NODE_MASK[network.version]
        finding = _pod_finding(network, node_mask, nodes)
        if finding is not None:
            yield finding


def node_mask_flags(spec: ClusterSpec) -> Iterator[Finding]:
    """Sizes of the nodes' pieces that the controller manager refuses at its start, for ever.

    Source: Kubernetes 1.29 cmd/kube-controller-manager/app/core.go, setNodeCIDRMaskSizes.
    """
    arguments = spec.kubernetes.controller_manager.extra_args
    families = set(spec.networking.pod_subnet.versions)
    bits = {NODE_MASK: 128 if families == {6} else 32, **NODE_MASK_BITS}
    for flag in (flag for flag in bits if arguments.get(flag)):
        path = (*CONTROLLER_MANAGER_ARGS, flag)
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
            yield Finding(path=path, message=message, hint="leave it out", at_key=True)


def is_mask(text: str, bits: int) -> bool:
    """Whether a text is a prefix length; Python reads no numbers of thousands of digits."""
    return text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= bits and len(text) <= 9


def _pod_finding(network: IPNetwork, node_mask: int, nodes: int) -> Finding | None:
    pieces = 2 ** max(0, node_mask - network.prefixlen)
    flag = NODE_MASK_FLAGS[network.version]
    if network.prefixlen > node_mask:
        message = f"pod network {network} is smaller than the /{node_mask} that each node gets"
        hint = f"take a larger network, or set controllerManager.extraArgs.{flag}"
    elif node_mask - network.prefixlen > POD_SUBNET_NODE_MASK_MAX_DIFF:
        message = f"pod network {network} is too large for pieces of /{node_mask} a node"
        hint = f"take a /{node_mask - POD_SUBNET_NODE_MASK_MAX_DIFF} or smaller"
    elif pieces < nodes:
        message = f"pod network {network} has {pieces} pieces of /{node_mask} for {nodes} nodes"
        hint = f"take a larger network, or set controllerManager.extraArgs.{flag}"
    else:
        return None
    return Finding(path=POD, message=message, hint=hint)


CHECKS = (
    Check(find=service_subnet_size, reads=(SERVICE,)),
    Check(find=node_mask_flags, reads=(POD, CONTROLLER_MANAGER_ARGS)),
    Check(find=pod_subnet_size, reads=(POD, CONTROLLER_MANAGER_ARGS), of_nodes=("role",)),
)
