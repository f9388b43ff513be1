"""From a render to the files in the output folder, on as many processors as there are."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from khgen.bundle.update_bundle import BUNDLE_FILES
from khgen.bundle.update_objects import NodeUpdate, update_yaml
from khgen.disk.budget import over_budget
from khgen.disk.manifest import (
    ADMIN_CONF,
    MANIFEST,
    NODES,
    SPEC,
    UPDATE,
    UPDATE_YAML,
    HeldNodes,
    NodeEntry,
    WholeDigests,
    file_lists,
    held_nodes,
    manifest_text,
    node_entry,
    rendered_files,
)
from khgen.disk.node_writer import NodeWriter, kept_trees, write_kind_trees, written
from khgen.disk.staging import Staging, staged
from khgen.disk.unchanged import inputs_digest, present_entries, spec_text
from khgen.plan.cluster_plan import NodePlan, Plan
from khgen.render import ClusterRender, ClusterUpdates

Progress = Callable[[int], None]
"""Called with the number of further nodes that are done."""

Settle = Callable[[Mapping[str, NodeEntry]], None]
"""Called with the new entries while the old output is still in its place."""


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

    If they are not all the plan's nodes, the output keeps the others. Nothing is written where
    nothing changed. With `rootfs`, each node's whole tree is written. `settle` is called just before
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
    """What stays as it is of the nodes that were staged; their other folders are removed."""
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
    """Link the nodes that did not change, and write what stands beside the nodes."""
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
        # Nodes that are kept came from the spec that is there.
        _write_anew(staging, SPEC, spec_text(render))
    _write_anew(staging, ADMIN_CONF, render.admin_conf())
    digests = WholeDigests(
        inputs=inputs if inputs == held.inputs or not held.entries else None,
        update_yaml=write_update_yaml(render.plan, staging, nodes),
    )
    _write_anew(staging, MANIFEST, manifest_text(render, nodes, lists, trees, digests))


def write_update_yaml(plan: Plan, staging: Staging, entries: Mapping[str, NodeEntry]) -> str:
    """Write update.yaml from the staged updates of all nodes of Kubernetes; returns its digest.

    Where nodes do not pull, it has no Secrets: the API need not hold keys that nobody asks it for.
    """
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
