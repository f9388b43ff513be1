"""Machines on Proxmox VE: cloud-init snippets, and the qm lines that use them (qm(1), cicustom)."""

from collections.abc import Mapping

from khgen.export.model import ExportCluster, ExportFile, ExportNode
from khgen.export.network import given_address, is_ipv6, mac_address
from khgen.export.outcome import Export, Refusal
from khgen.export.script import create_script

SNIPPET_LIMIT = 1024 * 1024
"""Bytes that qemu-server reads of a snippet (PVE::QemuServer::Cloudinit)."""


def proxmox_export(cluster: ExportCluster) -> Export:
    """The script and its snippets."""
    about = "Clones machines on a Proxmox VE host, as root, with their snippets, and boots them."
    snippets = {node.name: _snippets(cluster, node) for node in cluster.nodes}
    machines = [
        (
            node.name,
            mac_address(cluster, node),
            " ".join(f"{kind}={file.path}" for kind, file in snippets[node.name].items()),
            *_address(node),
        )
        for node in cluster.nodes
    ]
    files = tuple(
        ExportFile(path=f"snippets/{file.path}", content=file.content, node=file.node)
        for parts in snippets.values()
        for file in parts.values()
    )
    refusals = (
        Refusal(
            node=file.node,
            message=f"takes {len(file.content):,} bytes, a snippet {SNIPPET_LIMIT:,}",
            hint="give it with a seed: khgen seed",
        )
        for file in files
        if len(file.content) > SNIPPET_LIMIT
    )
    script = create_script("proxmox", about, cluster, machines)
    return Export(files=(script, *files), refusals=tuple(refusals))


def _snippets(cluster: ExportCluster, node: ExportNode) -> Mapping[str, ExportFile]:
    """Each snippet by its kind in cicustom. All clusters of a host share one folder."""
    contents = {
        "user": node.plain_user_data,
        "meta": node.meta_data,
        "network": node.network_config,
    }
    return {
        kind: ExportFile(
            path=f"{cluster.name}-{node.name}-{kind}.yaml", content=content, node=node.name
        )
        for kind, content in contents.items()
        if content is not None
    }


def _address(node: ExportNode) -> tuple[str, ...]:
    address = given_address(node)
    return () if address is None or is_ipv6(address) else (address,)
