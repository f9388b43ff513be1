"""Every platform that khgen exports for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from khgen.export.aws import aws_export
from khgen.export.incus import incus_export
from khgen.export.libvirt import libvirt_export
from khgen.export.model import ExportCluster
from khgen.export.outcome import Export
from khgen.export.proxmox import proxmox_export
from khgen.export.terraform import terraform_export


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """How an export is made, and what its user does next, in the folder `output`."""

    export: Callable[[ExportCluster], Export]
    next: str
    beside: bool = False
    """Whether its files go beside those of the user, and not into a folder of their own."""


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
