"""Every platform that khgen exports for: the files of each, and the script that makes its machines.

Source of Proxmox VE's lines: qm(1), cicustom.
"""

import base64
import hashlib
import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from khgen.bundle.datasource import DATASOURCES
from khgen.export.rendered_machines import (
    Export,
    ExportCluster,
    ExportFile,
    ExportNode,
    Refusal,
    given_address,
    is_ipv6,
    mac_address,
)
from khgen.export.seeds import SeedFormat, seed_files
from khgen.resources import resource_folder
from khgen.spec.model.cluster import Datasource
from khgen.yaml_text import YamlValue, dump_yaml

VARIABLES = """\
# Written by khgen export terraform, which replaces it: the variables of khgen.auto.tfvars.json.

variable "khgen_cluster" {
  description = "The cluster's name and its version of Kubernetes."
  type        = object({ name = string, kubernetes = string })
}

variable "khgen_nodes" {
  description = "Every machine by its name. Nothing in here is secret, so for_each takes it."
  type = map(object({
    role        = string
    kind        = string
    address     = string
    addresses   = list(string)
    mac_address = string
    instance_id = string
  }))
}

variable "khgen_seeds" {
  description = "What each machine is given, by its name. It holds private keys."
  sensitive   = true
  type = map(object({
    user_data        = string
    user_data_base64 = string
    meta_data        = string
    network_config   = optional(string)
  }))
}
"""


def terraform_export(cluster: ExportCluster) -> Export:
    """The values, and the declarations of their variables.

    Secrets have a separate variable, because for_each refuses sensitive values.
    """
    values = {
        "khgen_cluster": {"name": cluster.name, "kubernetes": cluster.kubernetes},
        "khgen_nodes": {node.name: _facts(cluster, node) for node in cluster.nodes},
        "khgen_seeds": {node.name: _seed(node) for node in cluster.nodes},
    }
    text = json.dumps(values, indent=2) + "\n"
    return Export(
        files=(
            ExportFile(path="khgen.tf", content=VARIABLES.encode()),
            ExportFile(path="khgen.auto.tfvars.json", content=text.encode()),
        )
    )


def _facts(cluster: ExportCluster, node: ExportNode) -> dict[str, object]:
    return {
        "role": node.role,
        "kind": node.kind,
        "address": node.addresses[0],
        "addresses": list(node.addresses),
        "mac_address": mac_address(cluster, node),
        "instance_id": node.instance_id,
    }


def _seed(node: ExportNode) -> dict[str, str | None]:
    network_config = node.network_config
    return {
        "user_data": node.plain_user_data.decode(),
        # Gzipped, for providers that take bytes (user_data_base64, custom_data).
        "user_data_base64": base64.b64encode(node.gzipped_user_data).decode(),
        "meta_data": node.meta_data.decode(),
        "network_config": None if network_config is None else network_config.decode(),
    }


SCRIPT = "create.sh"
SNIPPET_LIMIT = 1024 * 1024
"""The most bytes that qemu-server reads of a snippet (PVE::QemuServer::Cloudinit)."""


def create_script(
    platform: str, about: str, cluster: ExportCluster, machines: Iterable[Sequence[str]]
) -> ExportFile:
    """The script of that platform; `machines` holds the arguments of each `machine` line.

    It holds no secret; secrets stay in the files that it names.
    """
    names = " ".join(shlex.quote(node.name) for node in cluster.nodes)
    beginning = (
        f"#!/bin/bash\n# {about}\n"
        f"# Cluster {cluster.name}, Kubernetes {cluster.kubernetes}; by khgen export {platform}.\n"
        "# With names as arguments only these are made. Those that are there already are left alone.\n"
        f"machines=({names})\n"
    )
    lines = [shlex.join(("machine", *arguments)) for arguments in machines]
    text = beginning + _head("choose") + _head(platform) + "\n".join((*lines, ""))
    return ExportFile(path=SCRIPT, content=text.encode(), mode=0o700)


def _head(name: str) -> str:
    return (resource_folder("templates") / "export" / f"{name}.sh").read_text(encoding="utf-8")


def aws_export(cluster: ExportCluster) -> Export:
    """The script and its user-data; a refusal for each node whose user-data is over EC2's limit."""
    about = "Launches instances on EC2 with the AWS CLI."
    user_data = {node.name: node.gzipped_user_data for node in cluster.nodes}
    machines = [
        (node.name, _token(node, user_data[node.name]), *_aws_address(node))
        for node in cluster.nodes
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
    """EC2's client token, at most 64 characters; each replacement of the machine has a new one."""
    return hashlib.sha256(node.instance_id.encode() + user_data).hexdigest()


def _aws_address(node: ExportNode) -> tuple[str, str]:
    address = node.addresses[0]
    if is_ipv6(address):
        return "--ipv6-addresses", f"Ipv6Address={address}"
    return "--private-ip-address", address


def incus_export(cluster: ExportCluster) -> Export:
    """The script and its profiles."""
    about = "Makes virtual machines on Incus, each with its profile, and starts them."
    machines = [
        (
            # An instance's name is a host name without dots; the user-data sets the real one.
            node.name.replace(".", "-"),
            f"{cluster.name}-{node.name}",
            node.name,
            *_incus_address(node),
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


def _incus_address(node: ExportNode) -> tuple[str, ...]:
    address = given_address(node)
    if address is None:
        return ()
    return (f"{'ipv6' if is_ipv6(address) else 'ipv4'}.address={address}",)


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


def proxmox_export(cluster: ExportCluster) -> Export:
    """The script and its snippets."""
    about = "Clones machines on a Proxmox VE host, as root, with their snippets, and boots them."
    snippets = {node.name: _snippets(cluster, node) for node in cluster.nodes}
    machines = [
        (
            node.name,
            mac_address(cluster, node),
            " ".join(f"{kind}={file.path}" for kind, file in snippets[node.name].items()),
            *_proxmox_address(node),
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


def _proxmox_address(node: ExportNode) -> tuple[str, ...]:
    address = given_address(node)
    return () if address is None or is_ipv6(address) else (address,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """How an export is made, and the user's next step, with `output` for its folder."""

    export: Callable[[ExportCluster], Export]
    next: str
    beside: bool = False
    """Whether its files go beside the user's files instead of into their own folder."""


PLATFORMS: Mapping[str, Platform] = MappingProxyType(
    {
        "terraform": Platform(
            export=terraform_export,
            next="use var.khgen_nodes and var.khgen_seeds in {output}/, then: tofu apply",
            beside=True,
        ),
        "libvirt": Platform(
            export=libvirt_export,
            next="IMAGE=/var/lib/libvirt/images/node.qcow2 {output}/create.sh",
        ),
        "proxmox": Platform(
            export=proxmox_export,
            next="copy {output}/ to the host, then: TEMPLATE=9000 {output}/create.sh",
        ),
        "incus": Platform(
            export=incus_export, next="IMAGE=images:debian/12/cloud {output}/create.sh"
        ),
        "aws": Platform(
            export=aws_export,
            next="IMAGE=ami-… SUBNET=subnet-… SECURITY_GROUP=sg-… {output}/create.sh",
        ),
    }
)
