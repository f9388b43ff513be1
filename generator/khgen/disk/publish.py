"""From a render to the files in the output folder, on as many processors as there are."""

import json
import os
import shutil
import stat
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from khgen.changes.keys import spec_values
from khgen.disk.ending_signals import take_signals
from khgen.disk.manifest import (
    NodeEntry,
    file_lists,
    kind_files,
    manifest_text,
    node_entry,
    over_budget,
)
from khgen.disk.node_writer import KINDS, NODES, ROOTFS, NodeWriter, make_tree_folders
from khgen.disk.rendered_manifest import HeldNodes, held_nodes, rendered_files
from khgen.disk.staging import ADMIN_CONF, MANIFEST, SPEC, Staging, staged
from khgen.disk.writing_processes import written_in_parallel
from khgen.plan.cluster_plan import NodePlan
from khgen.render import ClusterRender

PARALLEL_FROM = 100
"""With fewer nodes than this, starting further processes costs more than it saves."""

Progress = Callable[[int], None]
"""Is told how many further nodes are done."""

Settle = Callable[[Mapping[str, NodeEntry]], None]
"""Is given the new entries while the old output is still in its place."""


class OverBudgetError(Exception):
    """Some user-data is larger than its datasource takes; nothing was written."""

    def __init__(self, entries: dict[str, NodeEntry]) -> None:
        """With the entries of all nodes that were rendered."""
        super().__init__()
        self.entries = entries


def dry_run(
    render: ClusterRender, nodes: Sequence[NodePlan], progress: Progress
) -> dict[str, NodeEntry]:
    """Render these nodes without writing, and return their manifest entries."""
    entries = {}
    for node in nodes:
        entries[node.name] = node_entry(render.node(node))
        progress(1)
    return entries


def publish(  # noqa: PLR0913 - what to write, where, and who is asked meanwhile
    render: ClusterRender,
    out: Path,
    nodes: Sequence[NodePlan],
    progress: Progress,
    settle: Settle = lambda _: None,
    *,
    rootfs: bool = False,
) -> dict[str, NodeEntry]:
    """Write these nodes to `out` and return their manifest entries.

    If they are not all the plan's nodes, the output keeps the others. Nothing is written where
    nothing changed. With `rootfs`, each node's whole tree is written. `settle` is called just before
    `out` is replaced. Raises OverBudgetError, OSError, and what `settle` raises; `out` then stays.
    """
    whole = len(nodes) == len(render.plan.nodes)
    with staged(out, rendered_files, keep=not whole) as staging:
        held = held_nodes(staging.path)
        kept = _kept_entries(render, staging, held, nodes)
        entries = _write_nodes(NodeWriter(render, staging, rootfs=rootfs), nodes, progress)
        if over_budget(entries):
            raise OverBudgetError(entries)
        _keep_spec(render, staging, whole=whole)
        _write_cluster_files(render, staging, held, kept, entries)
        _keep_unchanged(staging, kept, entries)
        settle(entries)
    return entries


def _write_nodes(
    writer: NodeWriter, nodes: Sequence[NodePlan], progress: Progress
) -> dict[str, NodeEntry]:
    entries: dict[str, NodeEntry] = {}
    with closing(_written(writer, nodes)) as batches:
        for batch in batches:
            entries.update(batch)
            progress(len(batch))
    return entries


def _written(
    writer: NodeWriter, nodes: Sequence[NodePlan]
) -> Generator[dict[str, NodeEntry], None, None]:
    """Render and write the nodes; yields manifest entries as they get done."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if len(nodes) < PARALLEL_FROM or processors == 1:
        for entries in writer.batches(nodes):
            yield entries
            take_signals()
    else:
        yield from written_in_parallel(writer, nodes, processors)


def _kept_entries(
    render: ClusterRender, staging: Staging, held: HeldNodes, nodes: Sequence[NodePlan]
) -> dict[str, NodeEntry]:
    """The entries of nodes that stay as they are; all other folders are cleared away."""
    kept = render.plan.by_name.keys() - {node.name for node in nodes}
    for name in held.entries.keys() - kept:
        shutil.rmtree(staging.path / NODES / name, ignore_errors=True)
    if not (staging.path / NODES).is_dir():
        staging.make_folders((NODES,))
    return {name: entry for name, entry in held.entries.items() if name in kept}


def _write_cluster_files(
    render: ClusterRender,
    staging: Staging,
    held: HeldNodes,
    kept: dict[str, NodeEntry],
    entries: dict[str, NodeEntry],
) -> None:
    lists = {**held.lists, **file_lists(render, entries)}
    used = {entry["kind"] for entry in (kept | entries).values()}
    kinds = {kind: files for kind, files in held.kinds.items() if kind in used}
    _write_kinds(render, staging, frozenset(kinds))
    kinds |= kind_files(render)
    _write_anew(staging, ADMIN_CONF, render.admin_conf())
    _write_anew(staging, MANIFEST, manifest_text(render, kept | entries, lists, kinds))


def _write_kinds(render: ClusterRender, staging: Staging, used: frozenset[str]) -> None:
    """Write what nodes of each kind share; a kept node may be of a kind that the plan has not."""
    folder = staging.path / KINDS
    if not folder.is_dir():
        staging.make_folders((KINDS,))
    for name in os.listdir(folder):  # noqa: PTH208 - names are all that is asked
        if name in render.kinds or name not in used:
            shutil.rmtree(folder / name)
    for kind, rendered in render.kinds.items():
        tree = f"{KINDS}/{kind}/{ROOTFS}"
        staging.make_folders((f"{KINDS}/{kind}",))
        make_tree_folders(staging, tree, rendered.shared)
        for file in rendered.shared:
            staging.write(f"{tree}{file.path}", file.content.encode(), file.mode)


def _keep_unchanged(staging: Staging, kept: Iterable[str], entries: Iterable[str]) -> None:
    """Give the staging folder the nodes that were not written, or keep the output as it is."""
    written = frozenset(os.listdir(staging.path / NODES))  # noqa: PTH208 - thousands of them
    unchanged = [name for name in entries if name not in written]
    if written.isdisjoint(entries) and _is_as_present(staging, frozenset((*kept, *unchanged))):
        staging.replaces = False
        return
    for name in unchanged:
        staging.keep(f"{NODES}/{name}")


def _is_as_present(staging: Staging, names: frozenset[str]) -> bool:
    """Whether the present output has these nodes, and everything beside them as it is staged."""
    if staging.present_names(NODES) != names:
        return False
    for folder, folders, files in os.walk(staging.path):
        below = Path(folder).relative_to(staging.path)
        if staging.present_names(str(below)) != {*folders, *files} and str(below) != NODES:
            return False
        if str(below) == NODES:
            folders.clear()  # Each node was compared when it was rendered.
        if not all(_is_same_file(staging, str(below / name)) for name in files):
            return False
    return True


def _is_same_file(staging: Staging, relative: str) -> bool:
    staged = staging.path / relative
    mode = stat.S_IMODE(staged.stat().st_mode)
    return staging.is_present(relative, staged.read_bytes(), mode)


def _keep_spec(render: ClusterRender, staging: Staging, *, whole: bool) -> None:
    """Write the spec for the next comparison; nodes that are kept came from the one that is there."""
    if whole or not (staging.path / MANIFEST).exists():
        _write_anew(staging, SPEC, json.dumps(spec_values(render.plan.spec), indent=2) + "\n")


def _write_anew(staging: Staging, name: str, text: str) -> None:
    (staging.path / name).unlink(missing_ok=True)
    staging.write(name, text.encode())
