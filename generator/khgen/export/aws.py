"""Machines on EC2: gzipped user-data, and the lines of the AWS CLI that launch instances with it."""

import hashlib

from khgen.bundle.datasource import DATASOURCES
from khgen.export.model import ExportCluster, ExportFile, ExportNode
from khgen.export.network import is_ipv6
from khgen.export.outcome import Export, Refusal
from khgen.export.script import create_script
from khgen.spec.model.cluster import Datasource


def aws_export(cluster: ExportCluster) -> Export:
    """The script and its user-data; a refusal for each node whose user-data is over EC2's limit."""
    about = "Launches instances on EC2 with the AWS CLI."
    user_data = {node.name: node.gzipped_user_data for node in cluster.nodes}
    machines = [
        (node.name, _token(node, user_data[node.name]), *_address(node)) for node in cluster.nodes
    ]
    files = (
        ExportFile(path=f"user-data/{name}.gz", content=content, node=name)
        for name, content in user_data.items()
    )
    limit = DATASOURCES[Datasource.EC2].limit or 0
    refusals = (
        Refusal(
            node=name,
            message=f"takes {len(content):,} bytes gzipped, EC2 takes {limit:,}",
            hint="bake programs into an image, or apply manifests by hand",
        )
        for name, content in user_data.items()
        if len(content) > limit
    )
    return Export(
        files=(create_script("aws", about, cluster, machines), *files), refusals=tuple(refusals)
    )


def _token(node: ExportNode, user_data: bytes) -> str:
    """EC2's client token, at most 64 characters: one for each life of the machine."""
    return hashlib.sha256(node.instance_id.encode() + user_data).hexdigest()


def _address(node: ExportNode) -> tuple[str, str]:
    address = node.addresses[0]
    if is_ipv6(address):
        return "--ipv6-addresses", f"Ipv6Address={address}"
    return "--private-ip-address", address
