"""What a hypervisor has to know of a machine's network interface."""

import hashlib
from ipaddress import ip_address

import yaml

from khgen.export.model import ExportCluster, ExportNode


def mac_address(cluster: ExportCluster, node: ExportNode) -> str:
    """The machine's MAC address: the one that its network-config looks for, or one of its own.

    Its own follows from the names, so that a DHCP reservation holds for the machine made next.
    """
    wanted = _matched(node.network_config)
    if wanted:
        return wanted
    digest = hashlib.sha256(f"{cluster.name}\n{node.name}".encode()).digest()
    # 02: locally administered (IEEE 802), so nobody's.
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))


def given_address(node: ExportNode) -> str | None:
    """The address that the platform has to give, because nothing on the machine sets it."""
    return node.addresses[0] if node.network_config is None else None


def is_ipv6(address: str) -> bool:
    """Whether it is an IPv6 address."""
    return ip_address(address).version == 6


def _matched(network_config: bytes | None) -> str:
    """The first MAC address that a network-config version 2 matches an interface by."""
    if network_config is None:
        return ""
    config = yaml.safe_load(network_config)
    ethernets = config.get("ethernets") if isinstance(config, dict) else None
    for ethernet in ethernets.values() if isinstance(ethernets, dict) else ():
        match = ethernet.get("match") if isinstance(ethernet, dict) else None
        address = match.get("macaddress") if isinstance(match, dict) else None
        if address is not None:
            return str(address)
    return ""
