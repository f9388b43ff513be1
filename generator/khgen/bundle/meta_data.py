"""What identifies a machine to cloud-init: meta-data, and its network-config where it is given."""

import hashlib
from ipaddress import ip_interface

from khgen.plan.cluster_plan import NodePlan, Plan
from khgen.spec.model.machine import NodeNetwork
from khgen.yaml_text import YamlValue, dump_yaml


def instance_id(plan: Plan, node: NodePlan, identity: str, user_data: bytes) -> str:
    """A name for what the machine is given: cloud-init places files only for one that it has not
    seen.

    The same `user_data` (unpacked) has the same one at every render; `identity` changes when the
    cluster is founded anew or the machine is replaced.
    """
    subject = f"{plan.spec.metadata.name}\n{node.name}\n{identity}\n".encode()
    return f"{node.name}-{hashlib.sha256(subject + user_data).hexdigest()[:16]}"


def meta_data(node: NodePlan, instance: str) -> str:
    """The meta-data of one node (NoCloud wants an instance-id)."""
    return dump_yaml({"instance-id": instance, "local-hostname": node.name})


def network_config(node: NodePlan) -> str | None:
    """The node's network-config, version 2, or None where the spec leaves addressing alone."""
    network = node.spec.network
    if network is None:
        return None
    if network.raw is not None:
        return dump_yaml(network.raw)
    return dump_yaml({"version": 2, "ethernets": {_interface_id(node): _ethernet(node, network)}})


def _interface_id(node: NodePlan) -> str:
    network = node.spec.network
    if network is not None and network.interface:
        return network.interface
    return "primary" if node.interface == "auto" else node.interface


def _ethernet(node: NodePlan, network: NodeNetwork) -> dict[str, YamlValue]:
    interfaces = [ip_interface(f"{node.address}/{network.prefix_length}")]
    interfaces += [ip_interface(f"{a}/{a.max_prefixlen // 2}") for a in node.addresses[1:]]
    ethernet: dict[str, YamlValue] = {}
    if network.mac_address:
        ethernet["match"] = {"macaddress": network.mac_address.lower()}
        ethernet["set-name"] = _interface_id(node)
    elif _interface_id(node) == "primary":
        ethernet["match"] = {"name": "e*"}
    ethernet["addresses"] = [str(interface) for interface in interfaces]
    if network.gateway is not None:
        # gateway4 is deprecated; "default" is not understood by every renderer.
        default = "::/0" if network.gateway.version == 6 else "0.0.0.0/0"
        ethernet["routes"] = [{"to": default, "via": str(network.gateway)}]
    resolvers: dict[str, YamlValue] = {}
    if network.nameservers:
        resolvers["addresses"] = [str(server) for server in network.nameservers]
    if network.search:
        resolvers["search"] = network.search
    if resolvers:
        ethernet["nameservers"] = resolvers
    return ethernet
