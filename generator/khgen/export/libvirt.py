"""Machines on libvirt: virt-install lines, and the seed images that they attach."""

from khgen.export.model import ExportCluster, ExportFile
from khgen.export.network import given_address, mac_address
from khgen.export.outcome import Export
from khgen.export.script import create_script
from khgen.export.seeds import SeedFormat, seed_files


def libvirt_export(cluster: ExportCluster) -> Export:
    """The script and its seeds."""
    about = "Makes machines on libvirt with virt-install, each with its seed, and boots them."
    machines = [
        (node.name, mac_address(cluster, node), *filter(None, [given_address(node)]))
        for node in cluster.nodes
    ]
    seeds = (
        ExportFile(path=f"seeds/{seed.path}", content=seed.content, node=seed.node)
        for seed in seed_files(cluster, SeedFormat.ISO)
    )
    return Export(files=(create_script("libvirt", about, cluster, machines), *seeds))
