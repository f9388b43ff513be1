"""Addresses of machines, gateways and DNS servers: each given once, and one that a host can have."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_interface, ip_network

from khgen.problems import Finding, ValuePath, quoted
from khgen.spec.check.rule import Check
from khgen.spec.model import ClusterSpec, NodeSpec
from khgen.spec.model.values import IPAddress, IPNetwork

ADDRESSES = ("address", "additionalAddresses")
"""The fields of a node that `node_addresses` reads."""
VIP = ("controlPlaneEndpoint", "vip")
HOST = ("controlPlaneEndpoint", "host")
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
"""What is no host's address (RFC 6890; kubelet 1.29 nodestatus/setters.go refuses most of it)."""


def node_addresses(node: NodeSpec, index: int) -> Iterator[tuple[ValuePath, IPAddress]]:
    """Each address of a node, with the path of that value."""
    yield ("nodes", index, "address"), node.address
    for number, address in enumerate(node.additional_addresses):
        yield ("nodes", index, "additionalAddresses", number), address


def duplicate_addresses(spec: ClusterSpec) -> Iterator[Finding]:
    """Two machines, or one machine twice, with one address."""
    first: dict[IPAddress, str] = {}
    for index, node in enumerate(spec.nodes):
        for path, address in node_addresses(node, index):
            if address in first:
                message = f"address '{address}' is already that of {quoted(first[address])}"
                hint = "give each machine addresses of its own"
                yield Finding(path=path, message=message, hint=hint)
            first.setdefault(address, node.name)


def kind_of(address: IPAddress) -> str:
    """What an address is that no host can be reached at; "" for any other."""
    for network, what in SPECIAL:
        if address in network:
            return "a link-local" if what is LINK_LOCAL else what
    return ""


def unusable_addresses(spec: ClusterSpec) -> Iterator[Finding]:
    """An address that no machine can be reached at."""
    for index, node in enumerate(spec.nodes):
        for path, address in node_addresses(node, index):
            if kind_of(address):
                hint = "give the address that the other nodes reach it at"
                yield _finding(path, address, "the address of a machine", kind_of(address), hint)


def unusable_endpoint(spec: ClusterSpec) -> Iterator[Finding]:
    """A VIP that no machine can carry, or a load balancer that no machine can reach."""
    endpoint = spec.control_plane_endpoint
    if endpoint.vip is not None and kind_of(endpoint.vip):
        hint = "take a free address of the nodes' network"
        yield _finding(VIP, endpoint.vip, "a virtual IP", kind_of(endpoint.vip), hint)
    if endpoint.host is None:
        return
    hint = "give the name or address that every node reaches the load balancer at"
    if _is_localhost(endpoint.host):
        message = f"{quoted(endpoint.host)} is every machine itself, not a load balancer"
        yield Finding(path=HOST, message=message, hint=hint)
    try:
        address = ip_address(endpoint.host)
    except ValueError:
        return
    if kind_of(address):
        yield _finding(HOST, address, "the address of a load balancer", kind_of(address), hint)


def unusable_in_its_network(spec: ClusterSpec) -> Iterator[Finding]:
    """The first or last address of an IPv4 network: its own, and the one for all of it."""
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
                hint = "take another address, or correct prefixLength"
                yield Finding(path=path, message=message, hint=hint)


def own_network(node: NodeSpec) -> IPNetwork | None:
    """The IPv4 network that a machine is put into, where it has a first and a last address."""
    if node.network is None or node.network.raw is not None or node.address.version == 6:
        return None
    length = node.network.prefix_length
    return ip_interface(f"{node.address}/{length}").network if length <= 30 else None


def gateway_outside(spec: ClusterSpec) -> Iterator[Finding]:
    """A default route that is not in the node's own network, or is the node itself."""
    for index, node in enumerate(spec.nodes):
        path = ("nodes", index, "network", "gateway")
        if node.network is None or node.network.gateway is None:
            continue
        gateway, length = node.network.gateway, node.network.prefix_length
        if length > node.address.max_prefixlen:
            continue
        network = ip_interface(f"{node.address}/{length}").network
        if gateway == node.address:
            yield Finding(path=path, message=f"gateway '{gateway}' is the node's own address")
        elif gateway not in network and not gateway.is_link_local:
            message = f"gateway '{gateway}' is not in the node's network {network}"
            hint = "correct the gateway or prefixLength"
            yield Finding(path=path, message=message, hint=hint)


def prefix_too_long(spec: ClusterSpec) -> Iterator[Finding]:
    """A prefix length that the address's family does not have."""
    for index, node in enumerate(spec.nodes):
        if node.network and node.network.prefix_length > node.address.max_prefixlen:
            message = (
                f"prefix length {node.network.prefix_length} is more than "
                f"{node.address.max_prefixlen}, the most for '{node.address}'"
            )
            yield Finding(path=("nodes", index, "network", "prefixLength"), message=message)


def unusable_servers(spec: ClusterSpec) -> Iterator[Finding]:
    """Gateways and DNS servers that are no hosts; link-local ones are usual in clouds."""
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
                hint = "give an address that pods reach too: CoreDNS asks the node's DNS servers"
                at = (*path, "nameservers", number)
                yield _finding(at, server, "a DNS server of pods", kind_of(server), hint)


def local_names(spec: ClusterSpec) -> Iterator[Finding]:
    """A machine whose name means every machine itself, or an address."""
    for index, node in enumerate(spec.nodes):
        path = ("nodes", index, "name")
        if _is_localhost(node.name):
            message = f"{quoted(node.name)} is every machine's name for itself"
            yield Finding(path=path, message=message, hint="give the node a name of its own")
        elif all(label.isdecimal() for label in node.name.split(".")):
            message = f"{quoted(node.name)} is read as an IP address, not as a name"
            yield Finding(path=path, message=message, hint="put a letter into it, like node-1")


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
)
