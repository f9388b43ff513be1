"""Addresses: of machines, gateways and DNS servers, and the control-plane endpoint."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_interface, ip_network
from types import MappingProxyType

from khgen.problems import Finding, Severity, ValuePath, quoted
from khgen.spec.check import ROLES, Check
from khgen.spec.model import ClusterSpec, NodeRole, NodeSpec
from khgen.spec.model.values import IPAddress, IPNetwork

ADDRESSES = ("address", "additionalAddresses")
"""The fields of a node that `node_addresses` reads."""
ENDPOINT = ("controlPlaneEndpoint",)
VIP = (*ENDPOINT, "vip")
HOST = (*ENDPOINT, "host")
PORT = (*ENDPOINT, "port")
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
"""The assumed prefix length of a machine's network if the spec does not give it."""
SURE_PREFIX: Mapping[int, int] = MappingProxyType({4: 16, 6: 48})
"""Addresses that differ within this prefix are surely in different networks."""
LINK_LOCAL = "link-local"
SPECIAL: tuple[tuple[IPNetwork, str], ...] = tuple(
    (ip_network(text), what)
    for text, what in (
        ("0.0.0.0/8", "an address of 'this network'"),
        ("127.0.0.0/8", "a loopback"),
        ("169.254.0.0/16", LINK_LOCAL),
        ("224.0.0.0/4", "a multicast"),
        ("255.255.255.255/32", "the broadcast"),
        ("240.0.0.0/4", "a reserved"),
        ("::/128", "the unspecified"),
        ("::1/128", "a loopback"),
        ("::ffff:0:0/96", "an IPv4-mapped"),
        ("fe80::/10", LINK_LOCAL),
        ("ff00::/8", "a multicast"),
    )
)
"""Addresses that no host has (RFC 6890; kubelet 1.29 nodestatus/setters.go refuses most of them)."""


def node_addresses(node: NodeSpec, index: int) -> Iterator[tuple[ValuePath, IPAddress]]:
    """Each address of a node, with the path of that value."""
    yield ("nodes", index, "address"), node.address
    for number, address in enumerate(node.additional_addresses):
        yield ("nodes", index, "additionalAddresses", number), address


def duplicate_addresses(spec: ClusterSpec) -> Iterator[Finding]:
    """An address that is given twice."""
    first: dict[IPAddress, str] = {}
    for index, node in enumerate(spec.nodes):
        for path, address in node_addresses(node, index):
            if address in first:
                message = f"address '{address}' is already used by {quoted(first[address])}"
                hint = "give each machine its own addresses"
                yield Finding(path=path, message=message, hint=hint)
            first.setdefault(address, node.name)


def kind_of(address: IPAddress) -> str:
    """The kind of an address at which no host can be reached; "" for any other."""
    for network, what in SPECIAL:
        if address in network:
            return "a link-local" if what is LINK_LOCAL else what
    return ""


def unusable_addresses(spec: ClusterSpec) -> Iterator[Finding]:
    """An address at which no machine can be reached."""
    for index, node in enumerate(spec.nodes):
        for path, address in node_addresses(node, index):
            if kind_of(address):
                hint = "give the address at which other nodes reach it"
                yield _finding(path, address, "the address of a machine", kind_of(address), hint)


def unusable_endpoint(spec: ClusterSpec) -> Iterator[Finding]:
    """A VIP that no machine can carry, or a load balancer that no machine can reach."""
    endpoint = spec.control_plane_endpoint
    if endpoint.vip is not None and kind_of(endpoint.vip):
        hint = "use a free address of the nodes' network"
        yield _finding(VIP, endpoint.vip, "a virtual IP", kind_of(endpoint.vip), hint)
    if endpoint.host is None:
        return
    hint = "give the name or address at which every node reaches the load balancer"
    if _is_localhost(endpoint.host):
        message = (
            f"{quoted(endpoint.host)} is the machine itself on every node, not a load balancer"
        )
        yield Finding(path=HOST, message=message, hint=hint)
    try:
        address = ip_address(endpoint.host)
    except ValueError:
        return
    if kind_of(address):
        yield _finding(HOST, address, "the address of a load balancer", kind_of(address), hint)


def unusable_in_its_network(spec: ClusterSpec) -> Iterator[Finding]:
    """The first or last address of an IPv4 network: no host can have it."""
    vip = spec.control_plane_endpoint.vip
    for index, node in enumerate(spec.nodes):
        network = own_network(node)
        if network is None or node.network is None:
            continue
        taken = {network.network_address: "network", network.broadcast_address: "broadcast"}
        for path, address in (
            (("nodes", index, "address"), node.address),
            (("nodes", index, "network", "gateway"), node.network.gateway),
            (VIP, vip),
        ):
            if address in taken:
                message = f"'{address}' is the {taken[address]} address of {network}"
                hint = "use another address, or correct prefixLength"
                yield Finding(path=path, message=message, hint=hint)


def own_network(node: NodeSpec) -> IPNetwork | None:
    """The IPv4 network of a machine, if its first and last address are reserved."""
    if node.network is None or node.network.raw is not None or node.address.version == 6:
        return None
    length = node.network.prefix_length
    return ip_interface(f"{node.address}/{length}").network if length <= 30 else None


def gateway_outside(spec: ClusterSpec) -> Iterator[Finding]:
    """A gateway that is outside the node's network, or is the node itself."""
    for index, node in enumerate(spec.nodes):
        path = ("nodes", index, "network", "gateway")
        if node.network is None or node.network.gateway is None:
            continue
        gateway, length = node.network.gateway, node.network.prefix_length
        if length > node.address.max_prefixlen:
            continue
        network = ip_interface(f"{node.address}/{length}").network
        if gateway == node.address:
            message = f"gateway '{gateway}' is the node's own address"
            yield Finding(path=path, message=message, hint="give the router's address")
        elif gateway not in network and not gateway.is_link_local:
            message = f"gateway '{gateway}' is not in the node's network {network}"
            hint = "correct the gateway or prefixLength"
            yield Finding(path=path, message=message, hint=hint)


def prefix_too_long(spec: ClusterSpec) -> Iterator[Finding]:
    """A prefix length that is too long for the address's family."""
    for index, node in enumerate(spec.nodes):
        if node.network and node.network.prefix_length > node.address.max_prefixlen:
            message = (
                f"prefix length {node.network.prefix_length} is more than "
                f"{node.address.max_prefixlen}, the maximum for '{node.address}'"
            )
            yield Finding(path=("nodes", index, "network", "prefixLength"), message=message)


def unusable_servers(spec: ClusterSpec) -> Iterator[Finding]:
    """Gateways and DNS servers that no host can be; link-local ones are common in clouds."""
    for index, node in enumerate(spec.nodes):
        if node.network is None:
            continue
        path = ("nodes", index, "network")
        gateway = node.network.gateway
        if gateway is not None and kind_of(gateway) and not gateway.is_link_local:
            hint = "give the router's address"
            yield _finding((*path, "gateway"), gateway, "a gateway", kind_of(gateway), hint)
        for number, server in enumerate(node.network.nameservers):
            if kind_of(server) and not server.is_link_local:
                hint = "use an address that pods can reach too: CoreDNS asks the node's DNS servers"
                at = (*path, "nameservers", number)
                yield _finding(at, server, "a DNS server of pods", kind_of(server), hint)


def local_names(spec: ClusterSpec) -> Iterator[Finding]:
    """A machine whose name is localhost or looks like an address."""
    for index, node in enumerate(spec.nodes):
        path = ("nodes", index, "name")
        if _is_localhost(node.name):
            message = f"{quoted(node.name)} is the name of every machine for itself"
            yield Finding(path=path, message=message, hint="give the node another name")
        elif all(label.isdecimal() for label in node.name.split(".")):
            message = f"{quoted(node.name)} is read as an IP address, not as a name"
            yield Finding(path=path, message=message, hint="add a letter, like node-1")


def carriers(spec: ClusterSpec) -> list[tuple[int, NodeSpec]]:
    """The machines that carry the VIP: the load balancers, or without any the control planes."""
    nodes = list(enumerate(spec.nodes))
    balancers = [item for item in nodes if item[1].role is NodeRole.LOAD_BALANCER]
    return balancers or [item for item in nodes if item[1].role is NodeRole.CONTROL_PLANE]


def vip_or_host(spec: ClusterSpec) -> Iterator[Finding]:
    """Both a VIP and a host, or neither."""
    endpoint = spec.control_plane_endpoint
    if endpoint.vip is not None and endpoint.host is not None:
        message = "both vip and host are given"
        hint = "keep vip if khgen sets up the load balancer, or host if one exists"
        yield Finding(path=HOST, message=message, hint=hint, at_key=True)
    if endpoint.vip is None and endpoint.host is None:
        message = "neither vip nor host is given"
        hint = "give vip, a free address that khgen sets up, or host, an existing load balancer"
        yield Finding(path=ENDPOINT, message=message, hint=hint, at_key=True)


def vip_is_a_node(spec: ClusterSpec) -> Iterator[Finding]:
    """A VIP that is the address of a machine."""
    vip = spec.control_plane_endpoint.vip
    for index, node in enumerate(spec.nodes):
        if vip is not None and any(vip == address for _, address in node_addresses(node, index)):
            message = f"VIP '{vip}' is the address of node '{node.name}'"
            yield Finding(path=VIP, message=message, hint="use a free address of that network")


def vip_outside(spec: ClusterSpec) -> Iterator[Finding]:
    """A VIP outside the network of the machines that carry it."""
    vip = spec.control_plane_endpoint.vip
    if vip is None:
        return
    for index, node in carriers(spec):
        same_family = [a for _, a in node_addresses(node, index) if a.version == vip.version]
        if not same_family:
            message = f"VIP '{vip}' is IPv{vip.version}, but node '{node.name}' has no such address"
            yield Finding(path=VIP, message=message, hint="use a VIP of the nodes' family")
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
        return Finding(path=VIP, message=message, hint=f"use a free address of {network}")
    usual = ip_network((address, USUAL_PREFIX[vip.version]), strict=False)
    if vip in usual:
        return None
    sure = vip not in ip_network((address, SURE_PREFIX[vip.version]), strict=False)
    message = f"VIP '{vip}' does not seem to be in the network of node '{node.name}' ({address})"
    return Finding(
        path=VIP,
        message=message,
        hint=f"use a free address of {usual}, or give network.prefixLength of the nodes",
        severity=Severity.ERROR if sure else Severity.WARNING,
    )


def port_taken(spec: ClusterSpec) -> Iterator[Finding]:
    """A port for haproxy that another program uses on the same host."""
    endpoint = spec.control_plane_endpoint
    dedicated = any(node.role is NodeRole.LOAD_BALANCER for node in spec.nodes)
    if endpoint.vip is None or dedicated:
        return
    hint = "use another port, like 8443, or dedicated load-balancer nodes"
    if endpoint.port == API_SERVER_PORT:
        message = "port 6443 is used by the API server on the control planes that carry the VIP"
        yield Finding(path=PORT, message=message, hint=hint)
    elif endpoint.port in API_HOST_PORTS:
        message = f"port {endpoint.port} is used by {API_HOST_PORTS[endpoint.port]} on those hosts"
        yield Finding(path=PORT, message=message, hint=hint)


def _is_localhost(name: str) -> bool:
    # RFC 6761, 6.3; localhost.localdomain is in /etc/hosts of RHEL.
    return name.rpartition(".")[2] == "localhost" or name.startswith("localhost.")


def _finding(path: ValuePath, address: IPAddress, use: str, kind: str, hint: str) -> Finding:
    words = kind if kind.startswith("an address") else f"{kind} address"
    return Finding(path=path, message=f"'{address}' cannot be {use}: it is {words}", hint=hint)


CHECKS = (
    Check(find=duplicate_addresses, of_nodes=("name", *ADDRESSES)),
    Check(find=gateway_outside, of_nodes=("address", "network")),
    Check(find=prefix_too_long, of_nodes=("address", "network")),
    Check(find=unusable_addresses, of_nodes=ADDRESSES),
    Check(find=unusable_endpoint, reads=(VIP, HOST)),
    Check(find=unusable_in_its_network, reads=(VIP,), of_nodes=("address", "network")),
    Check(find=unusable_servers, of_nodes=("network",)),
    Check(find=local_names, of_nodes=("name",)),
    Check(find=vip_or_host, reads=(VIP, HOST)),
    Check(find=vip_is_a_node, reads=(VIP,), of_nodes=("name", *ADDRESSES)),
    Check(find=vip_outside, reads=(ROLES, VIP), of_nodes=("name", *ADDRESSES, "network")),
    Check(find=port_taken, reads=(ROLES, VIP, PORT)),
)
