"""Machines on Incus: a profile for each, and the lines that make instances with them."""

from khgen.export.model import ExportCluster, ExportFile, ExportNode
from khgen.export.network import given_address, is_ipv6
from khgen.export.outcome import Export
from khgen.export.script import create_script
from khgen.yaml_text import YamlValue, dump_yaml


def incus_export(cluster: ExportCluster) -> Export:
    """The script and its profiles."""
    about = "Makes virtual machines on Incus, each with its profile, and starts them."
    machines = [
        (
            # An instance's name is a host name without dots; the user-data sets the real one.
            node.name.replace(".", "-"),
            f"{cluster.name}-{node.name}",
            node.name,
            *_address(node),
        )
        for node in cluster.nodes
    ]
    profiles = (
        ExportFile(
            path=f"profiles/{node.name}.yaml",
            content=dump_yaml(_profile(cluster, node)).encode(),
            node=node.name,
        )
        for node in cluster.nodes
    )
    return Export(files=(create_script("incus", about, cluster, machines), *profiles))


def _profile(cluster: ExportCluster, node: ExportNode) -> dict[str, YamlValue]:
    config = {"cloud-init.user-data": node.plain_user_data.decode()}
    if node.network_config is not None:
        config["cloud-init.network-config"] = node.network_config.decode()
    return {"description": f"{node.name}, {node.role} of {cluster.name}", "config": config}


def _address(node: ExportNode) -> tuple[str, ...]:
    address = given_address(node)
    if address is None:
        return ()
    return (f"{'ipv6' if is_ipv6(address) else 'ipv4'}.address={address}",)
