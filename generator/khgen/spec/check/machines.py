"""Names and addresses of the machines, and their operating system."""

from collections.abc import Iterator
from ipaddress import ip_interface

from khgen.facts.distributions import family_of, releases_of
from khgen.problems import Finding, Severity, ValuePath, quoted
from khgen.spec.check.rule import Check
from khgen.spec.model import ClusterSpec, NodeSpec
from khgen.spec.model.machine import SelinuxMode, TimeProgram
from khgen.spec.model.values import IPAddress

ADDRESSES = ("address", "additionalAddresses")
"""The fields of a node that `node_addresses` reads."""
LINUX_NAME_MAX = 64
"""hostname(7), HOST_NAME_MAX: a longer node name cannot be the host's name."""


def node_addresses(node: NodeSpec, index: int) -> Iterator[tuple[ValuePath, IPAddress]]:
    """Each address of a node, with the path of that value."""
    yield ("nodes", index, "address"), node.address
    for number, address in enumerate(node.additional_addresses):
        yield ("nodes", index, "additionalAddresses", number), address


def duplicate_names(spec: ClusterSpec) -> Iterator[Finding]:
    """Two machines with one name."""
    first: dict[str, int] = {}
    for index, node in enumerate(spec.nodes):
        other = first.setdefault(node.name, index)
        if other != index:
            message = f"name {quoted(node.name)} is already that of nodes[{other}]"
            yield Finding(path=("nodes", index, "name"), message=message, hint="rename one of them")


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


def long_names(spec: ClusterSpec) -> Iterator[Finding]:
    """A name that Linux cannot take as a host name."""
    for index, node in enumerate(spec.nodes):
        if len(node.name) > LINUX_NAME_MAX:
            message = (
                f"name {quoted(node.name)} is {len(node.name)} characters long, "
                f"a Linux host name has at most {LINUX_NAME_MAX}"
            )
            yield Finding(path=("nodes", index, "name"), message=message, hint="shorten it")


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


def unknown_release(spec: ClusterSpec) -> Iterator[Finding]:
    """A release that khgen has no packages and paths for."""
    known = releases_of(spec.os.family)
    release = spec.os.release
    if release in known:
        return
    message = f"{spec.os.family} {quoted(release)} is not one of: {', '.join(known)}"
    major = release.partition(".")[0]
    hint = f"write {major}: minor releases make no difference" if major in known else ""
    yield Finding(path=("os", "release"), message=message, hint=hint)


def time_program(spec: ClusterSpec) -> Iterator[Finding]:
    """systemd-timesyncd where the distribution does not have it, or time sources nobody asks."""
    sync = spec.os.time_sync
    path = ("os", "timeSync", "program")
    family = family_of(spec.os.family)
    if sync.program is TimeProgram.TIMESYNCD and family.timesyncd_package is None:
        message = f"timesyncd is not packaged for the {family.name} family"
        yield Finding(path=path, message=message, hint="use chrony, which is installed there")
    if sync.program is TimeProgram.UNMANAGED and (sync.pools or sync.servers):
        message = "pools and servers have no effect while timeSync.program is unmanaged"
        yield Finding(path=path, message=message, hint="use chrony, or leave the servers out")


def selinux_elsewhere(spec: ClusterSpec) -> Iterator[Finding]:
    """An SELinux setting on a family that does not use SELinux."""
    if spec.os.selinux is SelinuxMode.PERMISSIVE and not family_of(spec.os.family).selinux:
        message = f"selinux: permissive has no effect on {spec.os.family}, which uses AppArmor"
        yield Finding(path=("os", "selinux"), message=message, severity=Severity.WARNING)


CHECKS = (
    # The message names a node by its place in the list, so none is left out: no other has the name
    # of a stand-in.
    Check(find=duplicate_names),
    Check(find=duplicate_addresses, of_nodes=("name", *ADDRESSES)),
    Check(find=long_names, of_nodes=("name",)),
    Check(find=gateway_outside, of_nodes=("address", "network")),
    Check(find=prefix_too_long, of_nodes=("address", "network")),
    Check(find=unknown_release, reads=(("os", "family"), ("os", "release"))),
    Check(find=time_program, reads=(("os", "family"), ("os", "timeSync"))),
    Check(find=selinux_elsewhere, reads=(("os", "family"), ("os", "selinux"))),
)
