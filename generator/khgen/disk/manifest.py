"""manifest.json: what was rendered, with digests, sizes against the limit, certificate dates.

khgen writes it from a render, and reads it to find which files of an output folder are its own.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, TypedDict

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from khgen.bundle.datasource import Encoding
from khgen.bundle.update_bundle import BUNDLE_FILES, SIGNATURE, HeldUpdate, UpdateBundle
from khgen.bundle.user_data import UserData
from khgen.disk.owned_folder import (
    AbsolutePath,
    Listing,
    ListingError,
    ListingPart,
    Sha256,
    decoded_listing,
    listing_text,
    read_regular,
    refuse_listing,
)
from khgen.export.rendered_machines import META_DATA, NETWORK_CONFIG, USER_DATA
from khgen.pki.credentials import certificate_dates
from khgen.pki.secrets import founding_nodes
from khgen.plan.cluster_plan import NodeKind
from khgen.render import ClusterRender, RenderedNode
from khgen.spec.model import NodeRole
from khgen.spec.model.texts import KubernetesVersionText, NodeName, ShortName

MANIFEST = "manifest.json"
SPEC = "spec.json"
ADMIN_CONF = "admin.conf"
NODES = "nodes"
KINDS = "kinds"
ROOTFS = "rootfs"
UPDATE = "update"
UPDATE_YAML = "update.yaml"
KIND = "khgen/rendered"
SHORT_DIGITS = 12
"""This much of a SHA-256 distinguishes a few lists or trees."""

FileLists = Mapping[str, Sequence[str]]
"""Paths on a node by the list's identity: most nodes of a kind have files of the same paths."""

KindTrees = Mapping[str, Mapping[str, str]]
"""The SHA-256 of each file that all nodes of a kind share, by the tree's name and the path.

A tree has the name of its kind, and digits after it if only nodes of an earlier render use it.
"""


class UserDataEntry(TypedDict):
    """Digests and sizes in bytes of one node's user-data."""

    sha256: str
    plainSha256: str
    encoding: str
    bytes: int
    plainBytes: int
    gzippedBytes: int
    countedBytes: int
    limit: int | None
    left: int | None


class UpdateEntry(TypedDict):
    """How new one node's update is, the digests of bundle.json and of its signature, and its size."""

    generation: int
    sha256: str
    signatureSha256: str
    bytes: int


class NodeEntry(TypedDict):
    """One node in the manifest."""

    role: str
    kind: str
    address: str
    addresses: list[str]
    machine: int
    instanceId: str
    userData: UserDataEntry
    metaDataSha256: str
    networkConfigSha256: str | None
    fileList: str
    kindTree: str
    rootfs: bool
    update: UpdateEntry
    certificates: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeDigests:
    """Digests that concern the whole output."""

    inputs: str | None
    """Of what all nodes were rendered from, if it is the same for all."""
    update_yaml: str


def manifest_text(
    render: ClusterRender,
    nodes: Mapping[str, NodeEntry],
    lists: FileLists,
    trees: KindTrees,
    digests: WholeDigests,
) -> str:
    """The manifest of a whole output folder; `nodes` holds an entry for each node by name."""
    plan, secrets = render.plan, render.secrets
    used = {entry["fileList"] for entry in nodes.values()}
    manifest = {
        "cluster": plan.spec.metadata.name,
        "kubernetes": str(plan.version),
        "issuedAt": _time(secrets.issued_at),
        "inputs": digests.inputs,
        "updateSha256": digests.update_yaml,
        "founders": list(founding_nodes(secrets)),
        "sharedFiles": {kind.value: shared_sizes(render, kind) for kind in render.kinds},
        "kindTrees": {name: dict(files) for name, files in sorted(trees.items())},
        "fileLists": {name: list(lists[name]) for name in sorted(used)},
        "nodes": dict(sorted(nodes.items())),
    }
    return listing_text(KIND, manifest)


def file_lists(render: ClusterRender, entries: Mapping[str, NodeEntry]) -> FileLists:
    """The lists that these entries name.

    It renders one node of each list again: that costs less than keeping the paths of every node.
    """
    some = {entry["fileList"]: name for name, entry in entries.items()}
    nodes = {name: render.node(render.plan.by_name[node]) for name, node in some.items()}
    return {name: _paths(rendered) for name, rendered in nodes.items()}


def kind_trees(render: ClusterRender) -> KindTrees:
    """The digests of what the nodes of each kind share."""
    return {
        kind.value: {str(file.path): _sha256(file.content) for file in rendered.shared}
        for kind, rendered in render.kinds.items()
    }


def earlier_tree(kind: str, files: Mapping[str, str]) -> str:
    """The name of a kind's tree that only nodes of an earlier render use."""
    return f"{kind}-{_sha256(json.dumps(files, sort_keys=True))[:SHORT_DIGITS]}"


def node_entry(rendered: RenderedNode, update: UpdateBundle, *, rootfs: bool = False) -> NodeEntry:
    """One node's entry: its place, its sizes, and when its certificates end.

    `rootfs` says whether the output has the node's whole tree.
    """
    node, network_config = rendered.node, rendered.network_config
    dates = certificate_dates(rendered.credentials)
    return NodeEntry(
        role=node.role.value,
        kind=node.kind.value,
        address=str(node.address),
        addresses=[str(address) for address in node.addresses],
        machine=rendered.machine,
        instanceId=rendered.instance_id,
        userData=_user_data_entry(rendered.user_data),
        metaDataSha256=_sha256(rendered.meta_data),
        networkConfigSha256=None if network_config is None else _sha256(network_config),
        fileList=_sha256("\n".join(_paths(rendered)))[:SHORT_DIGITS],
        kindTree=node.kind.value,
        rootfs=rootfs,
        update=_update_entry(update),
        certificates={
            name: {"notBefore": _time(first), "notAfter": _time(last)}
            for name, (first, last) in dates.items()
        },
    )


def _update_entry(update: UpdateBundle) -> UpdateEntry:
    return UpdateEntry(
        generation=update.generation,
        sha256=update.sha256,
        signatureSha256=hashlib.sha256(update.files[SIGNATURE]).hexdigest(),
        bytes=update.bytes,
    )


def _user_data_entry(user_data: UserData) -> UserDataEntry:
    return UserDataEntry(
        sha256=hashlib.sha256(user_data.delivered).hexdigest(),
        # The plain text's digest does not depend on how zlib compresses.
        plainSha256=hashlib.sha256(user_data.text).hexdigest(),
        encoding=user_data.encoding.value,
        bytes=len(user_data.delivered),
        plainBytes=len(user_data.text),
        gzippedBytes=user_data.gzipped_bytes,
        countedBytes=user_data.counted_bytes,
        limit=user_data.limit,
        left=None if user_data.limit is None else user_data.limit - user_data.counted_bytes,
    )


def shared_sizes(render: ClusterRender, kind: NodeKind) -> dict[str, int]:
    """The bytes of each file that all nodes of the kind have, largest first."""
    sizes = {str(file.path): len(file.content.encode()) for file in render.kinds[kind].shared}
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))


def _paths(rendered: RenderedNode) -> tuple[str, ...]:
    return tuple(sorted(str(file.path) for file in rendered.files))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _address(text: str) -> str:
    ip_address(text)
    return text


Address = Annotated[str, AfterValidator(_address)]
TreeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")]
"""The name of a folder in `kinds/`."""


class _UserData(ListingPart):
    sha256: Sha256
    plain_sha256: Sha256
    encoding: Encoding


class _Update(ListingPart):
    generation: int = Field(ge=0)
    sha256: Sha256
    signature_sha256: Sha256


class _Certificate(ListingPart):
    not_before: AwareDatetime
    not_after: AwareDatetime


class ManifestNode(ListingPart):
    """One rendered node: its identity, and the digests of what its machine gets."""

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
    kind_tree: str = ""
    rootfs: bool = True
    """An older khgen wrote every node's whole tree, no trees of kinds, and not these keys."""
    update: _Update | None = None
    """An older khgen wrote no updates."""
    certificates: Mapping[str, _Certificate]


class RenderedManifest(Listing):
    """What manifest.json lists: the cluster, its nodes, and every file of each."""

    kind: Literal["khgen/rendered"]
    cluster: ShortName
    kubernetes: KubernetesVersionText
    issued_at: AwareDatetime
    inputs: Sha256 | None = None
    kind_trees: Mapping[TreeName, Mapping[AbsolutePath, Sha256]] = Field(default_factory=dict)
    file_lists: Mapping[str, tuple[AbsolutePath, ...]]
    update_sha256: Sha256 | None = None
    """The digest of update.yaml; an older khgen wrote none."""
    nodes: Mapping[NodeName, ManifestNode]

    @model_validator(mode="after")
    def _knows_every_list(self) -> "RenderedManifest":
        for name, node in self.nodes.items():
            if node.file_list not in self.file_lists:
                message = f"nodes.{name}.fileList names no list of fileLists"
                raise ValueError(message)
            if node.kind_tree and node.kind_tree not in self.kind_trees:
                message = f"nodes.{name}.kindTree names no tree of kindTrees"
                raise ValueError(message)
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldNodes:
    """The parts of a manifest that are written again for nodes that stay."""

    entries: Mapping[str, NodeEntry]
    lists: FileLists
    trees: KindTrees
    inputs: str | None
    update_sha256: str | None
    updates: Mapping[str, HeldUpdate]


@lru_cache(maxsize=2)
def decoded_manifest(content: bytes) -> RenderedManifest:
    """The manifest in these bytes; raises ListingError if they are not as khgen wrote them.

    A render reads the same manifest several times, and 1,000 nodes take a tenth of a second.
    """
    return decoded_listing(content, RenderedManifest)


def rendered_files(out: Path) -> frozenset[str]:
    """Every file that the manifest in that folder lists.

    Raises FileNotFoundError if there is no manifest, OutputRefusedError if it is damaged.
    """
    content = read_regular(out / MANIFEST)
    try:
        manifest = decoded_manifest(content)
    except ListingError as error:
        refuse_listing(out, MANIFEST, str(error))
    files = (MANIFEST, SPEC, ADMIN_CONF, UPDATE_YAML)
    return frozenset((*files, *_node_files(manifest), *_tree_files(manifest)))


def held_nodes(out: Path) -> HeldNodes:
    """What the manifest of a folder of khgen holds; nothing if there is no manifest."""
    try:
        content = read_regular(out / MANIFEST)
    except FileNotFoundError:
        return HeldNodes(
            entries={}, lists={}, trees={}, inputs=None, update_sha256=None, updates={}
        )
    manifest = decoded_manifest(content)
    # The model checks the entries; the JSON itself is written again, so no key is lost.
    entries: dict[str, NodeEntry] = json.loads(content)["nodes"]
    return HeldNodes(
        entries=entries,
        lists=manifest.file_lists,
        trees=manifest.kind_trees,
        inputs=manifest.inputs,
        update_sha256=manifest.update_sha256,
        updates=held_updates(manifest),
    )


def held_updates(manifest: RenderedManifest) -> Mapping[str, HeldUpdate]:
    """The updates by node, of those that have one."""
    return {
        name: HeldUpdate(generation=node.update.generation, sha256=node.update.sha256)
        for name, node in manifest.nodes.items()
        if node.update is not None
    }


def _node_files(manifest: RenderedManifest) -> Iterator[str]:
    for name, node in manifest.nodes.items():
        folder = f"{NODES}/{name}"
        yield f"{folder}/{USER_DATA}"
        yield f"{folder}/{META_DATA}"
        if node.network_config_sha256 is not None:
            yield f"{folder}/{NETWORK_CONFIG}"
        if node.update is not None:
            yield from (f"{folder}/{UPDATE}/{name}" for name in BUNDLE_FILES)
        if node.rootfs:
            yield from (f"{folder}/{ROOTFS}{path}" for path in manifest.file_lists[node.file_list])


def _tree_files(manifest: RenderedManifest) -> Iterator[str]:
    for name, files in manifest.kind_trees.items():
        yield from (f"{KINDS}/{name}/{ROOTFS}{path}" for path in files)
