"""manifest.json: what was rendered, with digests, sizes against the limit, certificate dates."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypedDict

from khgen.bundle.user_data import UserData
from khgen.disk.listing import listing_text
from khgen.pki.credentials import certificate_dates
from khgen.pki.secrets import founding_nodes
from khgen.plan.cluster_plan import NodeKind
from khgen.problems import Finding
from khgen.render import ClusterRender, RenderedNode

KIND = "khgen/rendered"
COSTLIEST_FILES = 3
LIST_DIGITS = 12
"""So much of a list's SHA-256 tells a handful of lists apart."""

FileLists = Mapping[str, Sequence[str]]
"""Paths on a node by the list's identity: most nodes of a kind have files of the same paths."""

KindFiles = Mapping[str, Mapping[str, str]]
"""The SHA-256 of each file that all nodes of a kind have, by kind and path."""


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
    rootfs: bool
    certificates: dict[str, dict[str, str]]


def manifest_text(
    render: ClusterRender, nodes: Mapping[str, NodeEntry], lists: FileLists, kinds: KindFiles
) -> str:
    """The manifest of a whole output folder; `nodes` holds an entry for each node by name."""
    plan, secrets = render.plan, render.secrets
    used = {entry["fileList"] for entry in nodes.values()}
    manifest = {
        "cluster": plan.spec.metadata.name,
        "kubernetes": str(plan.version),
        "issuedAt": _time(secrets.issued_at),
        "founders": list(founding_nodes(secrets)),
        "sharedFiles": {kind.value: _shared_sizes(render, kind) for kind in render.kinds},
        "kindFiles": {kind: dict(files) for kind, files in sorted(kinds.items())},
        "fileLists": {name: list(lists[name]) for name in sorted(used)},
        "nodes": dict(sorted(nodes.items())),
    }
    return listing_text(KIND, manifest)


def file_lists(render: ClusterRender, entries: Mapping[str, NodeEntry]) -> FileLists:
    """The lists that these entries name.

    One node of each list is rendered for it once more: that costs less than paths of every node.
    """
    some = {entry["fileList"]: name for name, entry in entries.items()}
    nodes = {name: render.node(render.plan.by_name[node]) for name, node in some.items()}
    return {name: _paths(rendered) for name, rendered in nodes.items()}


def kind_files(render: ClusterRender) -> KindFiles:
    """The digests of what the nodes of each kind share."""
    return {
        kind.value: {str(file.path): _sha256(file.content) for file in rendered.shared}
        for kind, rendered in render.kinds.items()
    }


def node_entry(rendered: RenderedNode, *, rootfs: bool = False) -> NodeEntry:
    """One node's entry: where it is, what it weighs, and when its certificates end.

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
        fileList=_sha256("\n".join(_paths(rendered)))[:LIST_DIGITS],
        rootfs=rootfs,
        certificates={
            name: {"notBefore": _time(first), "notAfter": _time(last)}
            for name, (first, last) in dates.items()
        },
    )


def _user_data_entry(user_data: UserData) -> UserDataEntry:
    return UserDataEntry(
        sha256=hashlib.sha256(user_data.delivered).hexdigest(),
        # The plain text's digest does not depend on a zlib's way of compressing.
        plainSha256=hashlib.sha256(user_data.text).hexdigest(),
        encoding=user_data.encoding.value,
        bytes=len(user_data.delivered),
        plainBytes=len(user_data.text),
        gzippedBytes=user_data.gzipped_bytes,
        countedBytes=user_data.counted_bytes,
        limit=user_data.limit,
        left=None if user_data.limit is None else user_data.limit - user_data.counted_bytes,
    )


def over_budget(entries: Mapping[str, NodeEntry]) -> tuple[str, ...]:
    """Names of the nodes whose user-data the datasource would refuse."""
    return tuple(name for name, entry in entries.items() if (entry["userData"]["left"] or 0) < 0)


def budget_findings(render: ClusterRender, entries: Mapping[str, NodeEntry]) -> Iterator[Finding]:
    """An error for each node whose user-data is over the limit, at the key that sets the limit."""
    refused = frozenset(over_budget(entries))
    spec = render.plan.spec.user_data
    own = spec.max_bytes is not None
    whose = "userData.maxBytes allows" if own else f"the datasource {spec.datasource} takes"
    for node in render.plan.nodes:
        if node.name in refused:
            size = entries[node.name]["userData"]
            yield Finding(
                path=("userData", "maxBytes" if own else "datasource"),
                message=f"user-data of '{node.name}' takes {size['countedBytes']:,} bytes,"
                f" {whose} {size['limit']:,}",
                hint=_budget_hint(render, node.kind, own=own),
            )


def _budget_hint(render: ClusterRender, kind: NodeKind, *, own: bool) -> str:
    costliest = list(_shared_sizes(render, kind).items())[:COSTLIEST_FILES]
    files = ", ".join(f"{path} ({size:,} bytes)" for path, size in costliest)
    larger = "raise userData.maxBytes, " if own else ""
    return (
        f"{larger}bake programs into an image, or apply manifests by hand;"
        f" the largest files: {files}"
    )


def _shared_sizes(render: ClusterRender, kind: NodeKind) -> dict[str, int]:
    """Bytes of each file that all nodes of the kind have, the largest first."""
    sizes = {str(file.path): len(file.content.encode()) for file in render.kinds[kind].shared}
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))


def _paths(rendered: RenderedNode) -> tuple[str, ...]:
    return tuple(sorted(str(file.path) for file in rendered.files))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
