"""manifest.json: what was rendered, with digests, sizes against the limit, certificate dates."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TypedDict

from khgen import __version__
from khgen.pki.credentials import certificate_dates
from khgen.pki.secrets import founding_nodes
from khgen.plan.cluster_plan import NodeKind
from khgen.problems import Finding
from khgen.render import ClusterRender, RenderedNode

COSTLIEST_FILES = 3


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
    certificates: dict[str, dict[str, str]]


def manifest_text(render: ClusterRender, nodes: Mapping[str, NodeEntry]) -> str:
    """The manifest of a whole output folder; `nodes` holds an entry for each node by name."""
    plan, secrets = render.plan, render.secrets
    manifest = {
        "khgen": __version__,
        "cluster": plan.spec.metadata.name,
        "kubernetes": str(plan.version),
        "issuedAt": _time(secrets.issued_at),
        "founders": list(founding_nodes(secrets)),
        "sharedFiles": {kind.value: _shared_sizes(render, kind) for kind in render.kinds},
        "nodes": dict(sorted(nodes.items())),
    }
    return json.dumps(manifest, indent=2) + "\n"


def node_entry(rendered: RenderedNode) -> NodeEntry:
    """One node's entry: where it is, what it weighs, and when its certificates end."""
    node, user_data, network_config = rendered.node, rendered.user_data, rendered.network_config
    dates = certificate_dates(rendered.credentials)
    return NodeEntry(
        role=node.role.value,
        kind=node.kind.value,
        address=str(node.address),
        addresses=[str(address) for address in node.addresses],
        machine=rendered.machine,
        instanceId=rendered.instance_id,
        userData=UserDataEntry(
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
        ),
        metaDataSha256=_sha256(rendered.meta_data),
        networkConfigSha256=None if network_config is None else _sha256(network_config),
        certificates={
            name: {"notBefore": _time(first), "notAfter": _time(last)}
            for name, (first, last) in dates.items()
        },
    )


def over_budget(entries: Mapping[str, NodeEntry]) -> tuple[str, ...]:
    """Names of the nodes whose user-data the datasource would refuse."""
    return tuple(name for name, entry in entries.items() if (entry["userData"]["left"] or 0) < 0)


def budget_findings(render: ClusterRender, entries: Mapping[str, NodeEntry]) -> Iterator[Finding]:
    """An error for each node whose user-data is over the datasource's limit."""
    refused = over_budget(entries)
    for index, node in enumerate(render.plan.nodes):
        if node.name in refused:
            size = entries[node.name]["userData"]
            datasource = render.plan.spec.user_data.datasource
            yield Finding(
                path=("nodes", index, "name"),
                message=f"user-data of '{node.name}' takes {size['countedBytes']:,} bytes,"
                f" the datasource {datasource} takes {size['limit']:,}",
                hint=_budget_hint(render, node.kind),
            )


def _budget_hint(render: ClusterRender, kind: NodeKind) -> str:
    costliest = list(_shared_sizes(render, kind).items())[:COSTLIEST_FILES]
    files = ", ".join(f"{path} ({size:,} bytes)" for path, size in costliest)
    return f"bake programs into an image, or apply manifests by hand; the largest files: {files}"


def _shared_sizes(render: ClusterRender, kind: NodeKind) -> dict[str, int]:
    """Bytes of each file that all nodes of the kind have, the largest first."""
    sizes = {str(file.path): len(file.content.encode()) for file in render.kinds[kind].shared}
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
