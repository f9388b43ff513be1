"""Reads manifest.json back: what was rendered, and which files of the output folder are khgen's."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from khgen.bundle.datasource import Encoding
from khgen.disk.listing import (
    AbsolutePath,
    Listing,
    ListingError,
    ListingPart,
    Sha256,
    decoded_listing,
    read_regular,
)
from khgen.disk.manifest import FileLists, KindFiles, NodeEntry
from khgen.disk.owned_folder import refuse_listing
from khgen.disk.staging import ADMIN_CONF, MANIFEST, SPEC
from khgen.export.rendered_machines import META_DATA, NETWORK_CONFIG, USER_DATA
from khgen.plan.cluster_plan import NodeKind
from khgen.spec.model import NodeRole
from khgen.spec.model.texts import KubernetesVersionText, NodeName, ShortName


def _address(text: str) -> str:
    ip_address(text)
    return text


Address = Annotated[str, AfterValidator(_address)]


class _UserData(ListingPart):
    sha256: Sha256
    plain_sha256: Sha256
    encoding: Encoding


class _Certificate(ListingPart):
    not_before: AwareDatetime
    not_after: AwareDatetime


class ManifestNode(ListingPart):
    """One node that was rendered: who it is, and the digests of what its machine is given."""

    role: NodeRole
    kind: NodeKind
    address: Address
    addresses: tuple[Address, ...] = Field(min_length=1)
    machine: int = Field(ge=1)
    instance_id: str
    user_data: _UserData
    meta_data_sha256: Sha256
    network_config_sha256: Sha256 | None
    file_list: str
    rootfs: bool = True
    """An older khgen wrote every node's tree, and no such key."""
    certificates: Mapping[str, _Certificate]


class RenderedManifest(Listing):
    """What manifest.json lists: the cluster, its nodes, and every file of each."""

    kind: Literal["khgen/rendered"]
    cluster: ShortName
    kubernetes: KubernetesVersionText
    issued_at: AwareDatetime
    kind_files: Mapping[NodeKind, Mapping[AbsolutePath, Sha256]] = Field(default_factory=dict)
    file_lists: Mapping[str, tuple[AbsolutePath, ...]]
    nodes: Mapping[NodeName, ManifestNode]

    @model_validator(mode="after")
    def _knows_every_list(self) -> "RenderedManifest":
        for name, node in self.nodes.items():
            if node.file_list not in self.file_lists:
                message = f"nodes.{name}.fileList names no list of fileLists"
                raise ValueError(message)
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldNodes:
    """The entries that a manifest has, as they are written again for nodes that stay."""

    entries: Mapping[str, NodeEntry]
    lists: FileLists
    kinds: KindFiles


def decoded_manifest(content: bytes) -> RenderedManifest:
    """The manifest in these bytes; raises ListingError where they are not as khgen wrote them."""
    return decoded_listing(content, RenderedManifest)


def rendered_files(out: Path) -> frozenset[str]:
    """Every file that the manifest in that folder accounts for.

    Raises FileNotFoundError where there is no manifest, OutputRefusedError where it is damaged.
    """
    content = read_regular(out / MANIFEST)
    try:
        manifest = decoded_manifest(content)
    except ListingError as error:
        refuse_listing(out, MANIFEST, str(error))
    return frozenset((MANIFEST, SPEC, ADMIN_CONF, *_node_files(manifest)))


def held_nodes(out: Path) -> HeldNodes:
    """The entries of the manifest in a folder that was found to be khgen's; none without one."""
    try:
        content = read_regular(out / MANIFEST)
    except FileNotFoundError:
        return HeldNodes(entries={}, lists={}, kinds={})
    manifest = decoded_manifest(content)
    # The model checks the entries; what is written again is the JSON, with all that it has.
    entries: dict[str, NodeEntry] = json.loads(content)["nodes"]
    kinds = {kind.value: files for kind, files in manifest.kind_files.items()}
    return HeldNodes(entries=entries, lists=manifest.file_lists, kinds=kinds)


def _node_files(manifest: RenderedManifest) -> Iterator[str]:
    for name, node in manifest.nodes.items():
        folder = f"nodes/{name}"
        yield f"{folder}/{USER_DATA}"
        yield f"{folder}/{META_DATA}"
        if node.network_config_sha256 is not None:
            yield f"{folder}/{NETWORK_CONFIG}"
        if node.rootfs:
            yield from (f"{folder}/rootfs{path}" for path in manifest.file_lists[node.file_list])
    for kind, files in manifest.kind_files.items():
        yield from (f"kinds/{kind}/rootfs{path}" for path in files)
