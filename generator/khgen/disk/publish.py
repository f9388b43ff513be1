"""From a render to the files in the output folder, on all processors; unchanged files stay."""

import hashlib
import json
import os
import shutil
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from khgen.bundle.update_bundle import BUNDLE_FILES, SIGNATURE, STATEMENT, archive_digests
from khgen.bundle.update_objects import NodeUpdate, update_yaml
from khgen.changes.compare import spec_values
from khgen.disk.budget import over_budget
from khgen.disk.manifest import (
    ADMIN_CONF,
    KINDS,
    MANIFEST,
    NODES,
    ROOTFS,
    SPEC,
    UPDATE,
    UPDATE_YAML,
    HeldNodes,
    NodeEntry,
    UpdateEntry,
    WholeDigests,
    file_lists,
    held_nodes,
    manifest_text,
    node_entry,
    rendered_files,
)
from khgen.disk.node_writer import NodeWriter, has_tree, kept_trees, write_kind_trees, written
from khgen.disk.staging import Staging, staged
from khgen.export.rendered_machines import META_DATA, NETWORK_CONFIG, USER_DATA
from khgen.files.node_files import update_key
from khgen.pki.secrets_encode import encode_secrets
from khgen.plan.cluster_plan import NodePlan
from khgen.render import ClusterRender, ClusterUpdates
from khgen.resources import resource_folder

Progress = Callable[[int], None]
"""Called with the number of nodes that are done since the last call."""

Settle = Callable[[Mapping[str, NodeEntry]], None]
"""Called with the new entries while the old output is still in its place."""

LIBRARIES = ("cryptography", "jinja2", "pydantic", "pyyaml")
"""The libraries that determine the bytes of a render, beside khgen, Python and zlib."""


class OverBudgetError(Exception):
    """Some user-data is larger than its datasource takes; nothing was written."""

    def __init__(self, entries: dict[str, NodeEntry]) -> None:
        """With the entries of all nodes that were rendered."""
        super().__init__()
        self.entries = entries


def dry_run(
    render: ClusterRender, nodes: Sequence[NodePlan], progress: Progress, now: datetime
) -> dict[str, NodeEntry]:
    """Render these nodes without writing, and return their manifest entries."""
    updates = ClusterUpdates(render, {}, now)
    entries = {}
    for node in nodes:
        rendered = render.node(node)
        entries[node.name] = node_entry(rendered, updates.bundle(rendered))
        progress(1)
    return entries


def publish(  # noqa: PLR0913 - what to write, where, and who is asked meanwhile
    render: ClusterRender,
    out: Path,
    nodes: Sequence[NodePlan],
    progress: Progress,
    settle: Settle = lambda _: None,
    *,
    now: datetime,
    rootfs: bool = False,
) -> dict[str, NodeEntry]:
    """Write these nodes to `out` and return their manifest entries.

    If these are not all the plan's nodes, the output keeps the others. If nothing changed, nothing
    is written. With `rootfs`, each node's whole tree is written. `settle` is called just before
    `out` is replaced. Raises OverBudgetError, OSError, and what `settle` raises; `out` then stays.
    """
    inputs = None if rootfs else inputs_digest(render)
    with staged(out, rendered_files, keep=len(nodes) < len(render.plan.nodes)) as staging:
        entries = present_entries(render, staging, nodes, inputs)
        if entries is not None:
            staging.replaces = False
            progress(len(entries))
        else:
            updates = ClusterUpdates(render, held_nodes(staging.present).updates, now)
            held = _cleared(staging, nodes, render)
            writer = NodeWriter(render, updates, staging, rootfs=rootfs)
            entries = _write_nodes(writer, nodes, progress)
            _write_cluster_files(render, staging, held, entries, inputs)
        settle(entries)
    return entries


def _cleared(staging: Staging, nodes: Sequence[NodePlan], render: ClusterRender) -> HeldNodes:
    """The staged nodes that stay as they are; the folders of the others are removed."""
    held = held_nodes(staging.path)
    kept = render.plan.by_name.keys() - {node.name for node in nodes}
    for name in held.entries.keys() - kept:
        shutil.rmtree(staging.path / NODES / name, ignore_errors=True)
    if not (staging.path / NODES).is_dir():
        staging.make_folders((NODES,))
    entries = {name: entry for name, entry in held.entries.items() if name in kept}
    return replace(held, entries=entries)


def _write_nodes(
    writer: NodeWriter, nodes: Sequence[NodePlan], progress: Progress
) -> dict[str, NodeEntry]:
    entries: dict[str, NodeEntry] = {}
    with closing(written(writer, nodes)) as batches:
        for batch in batches:
            entries.update(batch)
            progress(len(batch))
    if over_budget(entries):
        raise OverBudgetError(entries)
    return entries


def _write_cluster_files(
    render: ClusterRender,
    staging: Staging,
    held: HeldNodes,
    entries: Mapping[str, NodeEntry],
    inputs: str | None,
) -> None:
    """Link the nodes that did not change, and write the files beside the nodes."""
    written = frozenset(os.listdir(staging.path / NODES))  # noqa: PTH208 - thousands of them
    for name in entries.keys() - written:
        staging.keep(f"{NODES}/{name}")
    lists = {**held.lists, **file_lists(render, entries)}
    used = frozenset(entry.get("kindTree", "") for entry in held.entries.values()) - {""}
    names = kept_trees(render, staging, held.trees, used)
    trees = {names[name]: held.trees[name] for name in used}
    trees.update(write_kind_trees(render, staging))
    nodes = {**_renamed_trees(held.entries, names), **entries}
    if not held.entries:
        # Kept nodes came from the spec that is already there.
        _write_anew(staging, SPEC, spec_text(render))
    _write_anew(staging, ADMIN_CONF, render.admin_conf())
    digests = WholeDigests(
        inputs=inputs if inputs == held.inputs or not held.entries else None,
        update_yaml=write_update_yaml(render, staging, nodes),
    )
    _write_anew(staging, MANIFEST, manifest_text(render, nodes, lists, trees, digests))


def write_update_yaml(
    render: ClusterRender, staging: Staging, entries: Mapping[str, NodeEntry]
) -> str:
    """Write update.yaml from the staged updates of all nodes of Kubernetes; returns its digest.

    Where nodes do not pull, it has no Secrets: the API need not hold what nobody asks it for.
    """
    plan = render.plan
    nodes = [
        node
        for node in plan.nodes
        if node.joins_kubernetes and "update" in entries.get(node.name, {})
    ]
    wanted = {node.name: entries[node.name]["update"]["generation"] for node in nodes}
    updates = (
        NodeUpdate(
            node=node,
            generation=wanted[node.name],
            files={
                name: (staging.path / NODES / node.name / UPDATE / name).read_bytes()
                for name in BUNDLE_FILES
            },
            key=update_key(render.secrets, node),
        )
        for node in (nodes if plan.spec.updates.pull else ())
    )
    digest = hashlib.sha256()
    (staging.path / UPDATE_YAML).unlink(missing_ok=True)
    staging.write_parts(UPDATE_YAML, _digested(update_yaml(plan, wanted, updates), digest))
    return digest.hexdigest()


def _digested(texts: Iterable[str], digest: "hashlib._Hash") -> Iterator[bytes]:
    """The texts as bytes, each of which the digest takes in."""
    for text in texts:
        part = text.encode()
        digest.update(part)
        yield part


def _renamed_trees(
    entries: Mapping[str, NodeEntry], names: Mapping[str, str]
) -> dict[str, NodeEntry]:
    renamed = {}
    for name, entry in entries.items():
        renamed[name] = entry.copy()
        if "kindTree" in entry:  # An older khgen wrote no trees of kinds.
            renamed[name]["kindTree"] = names[entry["kindTree"]]
    return renamed


def _write_anew(staging: Staging, name: str, text: str) -> None:
    (staging.path / name).unlink(missing_ok=True)
    staging.write(name, text.encode())


def inputs_digest(render: ClusterRender) -> str:
    """The SHA-256 of everything that determines the nodes: spec, secrets, files and programs."""
    digest = hashlib.sha256()
    for part in (*_programs(), *_values(render)):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def present_entries(
    render: ClusterRender, staging: Staging, nodes: Iterable[NodePlan], inputs: str | None
) -> dict[str, NodeEntry] | None:
    """These nodes' entries in the present output; None if it is not what `inputs` produced.

    It reads every file, so a file that somebody changed is written again.
    """
    held = held_nodes(staging.present)
    if inputs is None or held.inputs != inputs or not _has_cluster_files(render, staging):
        return None
    if not all(_has_node(staging, name, entry) for name, entry in held.entries.items()):
        return None
    if _digest(staging.present_content(UPDATE_YAML)) != held.update_sha256:
        return None
    return {node.name: held.entries[node.name] for node in nodes}


def spec_text(render: ClusterRender) -> str:
    """The spec as the output keeps it for the next comparison."""
    return json.dumps(spec_values(render.plan.spec), indent=2) + "\n"


def _programs() -> Iterator[bytes]:
    yield f"{sys.version} {zlib.ZLIB_RUNTIME_VERSION}".encode()
    for name in LIBRARIES:
        yield f"{name} {version(name)}".encode()
    code = Path(__file__).resolve().parents[1].rglob("*.py")
    templates = resource_folder("templates").rglob("*")
    for path in sorted((*code, *templates)):
        if path.is_file():
            yield path.name.encode()
            yield path.read_bytes()


def _values(render: ClusterRender) -> Iterator[bytes]:
    yield render.plan.spec.model_dump_json().encode()
    yield encode_secrets(render.secrets).encode()
    for kind, rendered in render.kinds.items():
        for file in rendered.shared:
            yield f"{kind} {file.path} {file.mode}".encode()
            yield file.content.encode()


def _has_cluster_files(render: ClusterRender, staging: Staging) -> bool:
    texts = {ADMIN_CONF: render.admin_conf(), SPEC: spec_text(render)}
    return (
        staging.present_names("") != frozenset()
        and staging.present_content(MANIFEST) is not None
        and all(staging.present_content(name) == text.encode() for name, text in texts.items())
        and staging.present_names(NODES) == {node.name for node in render.plan.nodes}
        and staging.present_names(KINDS) == {kind.value for kind in render.kinds}
        and all(
            staging.present_names(f"{KINDS}/{kind}") == {ROOTFS}
            and has_tree(staging, f"{KINDS}/{kind}/{ROOTFS}", rendered.shared)
            for kind, rendered in render.kinds.items()
        )
    )


def _has_node(staging: Staging, name: str, entry: NodeEntry) -> bool:
    wanted = {
        USER_DATA: entry["userData"]["sha256"],
        META_DATA: entry["metaDataSha256"],
        NETWORK_CONFIG: entry["networkConfigSha256"],
    }
    digests = {file: digest for file, digest in wanted.items() if digest is not None}
    folder = f"{NODES}/{name}"
    return (
        staging.present_names(folder) == {*digests, UPDATE}
        and all(
            _digest(staging.present_content(f"{folder}/{file}")) == digest
            for file, digest in digests.items()
        )
        and _has_update(staging, f"{folder}/{UPDATE}", entry["update"])
    )


def _has_update(staging: Staging, folder: str, entry: UpdateEntry) -> bool:
    contents = {name: staging.present_content(f"{folder}/{name}") for name in BUNDLE_FILES}
    return (
        staging.present_names(folder) == contents.keys()
        and _digest(contents[STATEMENT]) == entry["sha256"]
        and _digest(contents[SIGNATURE]) == entry["signatureSha256"]
        and all(
            _digest(contents[name]) == digest
            for name, digest in archive_digests(contents[STATEMENT] or b"{}").items()
        )
    )


def _digest(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()
