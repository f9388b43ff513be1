"""The control-plane endpoint: a virtual IP or a load balancer's name, its port and its network."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_interface, ip_network
from types import MappingProxyType

from khgen.problems import Finding, Severity
from khgen.spec.check.addresses import ADDRESSES, node_addresses
from khgen.spec.check.rule import ROLES, Check
from khgen.spec.model import ClusterSpec, NodeRole, NodeSpec
from khgen.spec.model.values import IPAddress

ENDPOINT = ("controlPlaneEndpoint",)
VIP = ("controlPlaneEndpoint", "vip")
PORT = ("controlPlaneEndpoint", "port")
API_SERVER_PORT = 6443
API_HOST_PORTS: Mapping[int, str] = MappingProxyType(
    {
        22: "sshd",
        2379: "etcd's clients",
        2380: "etcd's peers",
        2381: "etcd's metrics",
        10248: "the kubelet's health check",
        10249: "kube-proxy's metrics",
        10250: "the kubelet",
        10256: "kube-proxy's health check",
        10257: "the controller manager",
        10259: "the scheduler",
    }
)
"""Ports taken on a host that runs an API server (kubernetes.io, Ports and Protocols)."""
USUAL_PREFIX: Mapping[int, int] = MappingProxyType({4: 24, 6: 64})
"""The network that a machine is taken to be in where the spec does not say."""
SURE_PREFIX: Mapping[int, int] = MappingProxyType({4: 16, 6: 48})
"""Addresses that differ before this are never taken to be in one network."""


def carriers(spec: ClusterSpec) -> list[tuple[int, NodeSpec]]:
    """The machines that carry the VIP: the load balancers or else the control planes."""
    nodes = list(enumerate(spec.nodes))
    balancers = [item for item in nodes if item[1].role is NodeRole.LOAD_BALANCER]
    return balancers or [item for item in nodes if item[1].role is NodeRole.CONTROL_PLANE]


def vip_or_host(spec: ClusterSpec) -> Iterator[Finding]:
    """Both a VIP and a host, or neither."""
    endpoint = spec.control_plane_endpoint
    if endpoint.vip is not None and endpoint.host is not None:
        message = "both vip and host are given"
        hint = "keep vip if khgen makes the load balancer, host if there is one already"
        yield Finding(path=(*ENDPOINT, "host"), message=message, hint=hint, at_key=True)
    if endpoint.vip is None and endpoint.host is None:
        message = "neither vip nor host is given"
        hint = "vip: a free address that khgen makes the API reachable at; host: a load balancer"
        yield Finding(path=ENDPOINT, message=message, hint=hint, at_key=True)


def vip_is_a_node(spec: ClusterSpec) -> Iterator[Finding]:
    """A VIP that a machine already has as its own address."""
    vip = spec.control_plane_endpoint.vip
    for index, node in enumerate(spec.nodes):
        if vip is not None and any(vip == address for _, address in node_addresses(node, index)):
            message = f"VIP '{vip}' is the address of node '{node.name}'"
            yield Finding(path=VIP, message=message, hint="take a free address of that network")


def vip_outside(spec: ClusterSpec) -> Iterator[Finding]:
    """A VIP that is not in the network of the machines that carry it."""
    vip = spec.control_plane_endpoint.vip
    if vip is None:
        return
    for index, node in carriers(spec):
        same_family = [a for _, a in node_addresses(node, index) if a.version == vip.version]
        if not same_family:
            message = f"VIP '{vip}' is IPv{vip.version}, node '{node.name}' has no such address"
            yield Finding(path=VIP, message=message, hint="take a VIP of the nodes' family")
            return
        finding = _outside(vip, node, same_family[0])
        if finding is not None:
            yield finding
            return


def _outside(vip: IPAddress, node: NodeSpec, address: IPAddress) -> Finding | None:
    known = node.network is not None and node.network.raw is None and address == node.address
    if known and node.network is not None:
        if node.network.prefix_length > address.max_prefixlen:
            return None
        network = ip_interface(f"{address}/{node.network.prefix_length}").network
        if vip in network:
            return None
        message = f"VIP '{vip}' is not in {network}, the network of node '{node.name}'"
        return Finding(path=VIP, message=message, hint=f"take a free address of {network}")
    usual = ip_network((address, USUAL_PREFIX[vip.version]), strict=False)
    if vip in usual:
        return None
    sure = vip not in ip_network((address, SURE_PREFIX[vip.version]), strict=False)
    message = f"VIP '{vip}' does not look to be in the network of node '{node.name}' ({address})"
    return Finding(
        path=VIP,
        message=message,
        hint=f"take a free address of {usual}, or give network.prefixLength of the nodes",
        severity=Severity.ERROR if sure else Severity.WARNING,
    )


def port_taken(spec: ClusterSpec) -> Iterator[Finding]:
    """A port for haproxy that another program of the same host listens on."""
    endpoint = spec.control_plane_endpoint
    dedicated = any(node.role is NodeRole.LOAD_BALANCER for node in spec.nodes)
    if endpoint.vip is None or dedicated:
        return
    hint = "use another port, like 8443, or dedicated load-balancer nodes"
    if endpoint.port == API_SERVER_PORT:
        message = "port 6443 is the API server's own on the control planes that carry the VIP"
        yield Finding(path=PORT, message=message, hint=hint)
    elif endpoint.port in API_HOST_PORTS:
        message = f"port {endpoint.port} belongs to {API_HOST_PORTS[endpoint.port]} on those hosts"
        yield Finding(path=PORT, message=message, hint=hint)


CHECKS = (
    Check(find=vip_or_host, reads=(VIP, (*ENDPOINT, "host"))),
    Check(find=vip_is_a_node, reads=(VIP,), of_nodes=("name", *ADDRESSES)),
    Check(find=vip_outside, reads=(ROLES, VIP), of_nodes=("name", *ADDRESSES, "network")),
    Check(find=port_taken, reads=(ROLES, VIP, PORT)),
)
