"""From a render to the files in the output folder, on as many processors as there are."""

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import Path, PurePosixPath

from khgen.manifest import NodeEntry, manifest_text, node_entry, over_budget
from khgen.plan.model import NodePlan
from khgen.render import ClusterRender, RenderedNode
from khgen.writer import MANIFEST, Staging, staged

PARALLEL_FROM = 100
"""With fewer nodes than this, starting further processes costs more than it saves."""

BATCH = 25

Progress = Callable[[int], None]
"""Is told how many further nodes are done."""


class OverBudgetError(Exception):
    """Some user-data is larger than its datasource takes; nothing was written."""

    def __init__(self, entries: dict[str, NodeEntry]) -> None:
        """With the entries of all nodes that were rendered."""
        super().__init__()
        self.entries = entries


def rehearse(
    render: ClusterRender, nodes: Sequence[NodePlan], progress: Progress
) -> dict[str, NodeEntry]:
    """Render these nodes without writing, and return their manifest entries."""
    entries = {}
    for node in nodes:
        entries[node.name] = node_entry(render.node(node))
        progress(1)
    return entries


def publish(
    render: ClusterRender, out: Path, nodes: Sequence[NodePlan], progress: Progress
) -> dict[str, NodeEntry]:
    """Write these nodes to `out` and return their manifest entries.

    If they are all the plan's nodes, the output holds nothing else; if not, it keeps the others.
    Raises OverBudgetError, and OSError.
    """
    whole = len(nodes) == len(render.plan.nodes)
    with staged(out, keep=not whole) as staging:
        kept = {} if whole else _kept_entries(render, staging, nodes)
        _make_top(staging)
        entries: dict[str, NodeEntry] = {}
        for entry in write_nodes(render, staging, nodes):
            entries.update(entry)
            progress(len(entry))
        if over_budget(entries):
            raise OverBudgetError(entries)
        _write_anew(staging, "admin.conf", render.admin_conf())
        _write_anew(staging, MANIFEST, manifest_text(render, {**kept, **entries}))
    return entries


def write_nodes(
    render: ClusterRender, staging: Staging, nodes: Sequence[NodePlan]
) -> Iterator[dict[str, NodeEntry]]:
    """Render and write the nodes; yields manifest entries as they get done."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if len(nodes) < PARALLEL_FROM or processors == 1:
        yield from _write_batches(render, staging, nodes)
        return
    context = multiprocessing.get_context("fork")
    channels = []
    for number in range(processors):
        receiver, sender = context.Pipe(duplex=False)
        share = nodes[number::processors]
        process = context.Process(target=_work, args=(render, staging, share, sender), daemon=True)
        process.start()
        sender.close()
        channels.append(receiver)
    yield from _received(channels)


def _work(
    render: ClusterRender, staging: Staging, nodes: Sequence[NodePlan], sender: Connection
) -> None:
    """One process's share. It ends by itself when nobody listens any more (EPIPE)."""
    try:
        for entries in _write_batches(render, staging, nodes):
            sender.send(entries)
        sender.send(None)
    except Exception as error:  # noqa: BLE001 - handed to the parent, which raises it
        sender.send(error)


def _received(channels: list[Connection]) -> Iterator[dict[str, NodeEntry]]:
    while channels:
        for channel in wait(channels):
            assert isinstance(channel, Connection)  # noqa: S101 - only pipes were put in
            message = channel.recv()
            if message is None:
                channels.remove(channel)
            elif isinstance(message, BaseException):
                raise message
            else:
                yield message


def _write_batches(
    render: ClusterRender, staging: Staging, nodes: Sequence[NodePlan]
) -> Iterator[dict[str, NodeEntry]]:
    remaining = iter(nodes)
    while batch := tuple(islice(remaining, BATCH)):
        yield {node.name: _write_node(staging, render.node(node)) for node in batch}


def _write_node(staging: Staging, rendered: RenderedNode) -> NodeEntry:
    folder = f"nodes/{rendered.node.name}"
    paths = tuple(file.path for file in rendered.files)
    staging.make_folders((folder, *(f"{folder}/{name}" for name in _rootfs_folders(paths))))
    staging.write(f"{folder}/user-data", rendered.user_data.delivered)
    staging.write(f"{folder}/meta-data", rendered.meta_data.encode())
    if rendered.network_config is not None:
        staging.write(f"{folder}/network-config", rendered.network_config.encode())
    for file in rendered.files:
        staging.write(f"{folder}/rootfs{file.path}", file.content.encode(), file.mode)
    return node_entry(rendered)


@lru_cache(maxsize=64)
def _rootfs_folders(paths: tuple[PurePosixPath, ...]) -> tuple[str, ...]:
    """Every folder that these paths need below rootfs, parents first."""
    folders = {f"rootfs{parent}".rstrip("/") for path in paths for parent in path.parents}
    return tuple(sorted(folders))


def _make_top(staging: Staging) -> None:
    if not (staging.path / "nodes").is_dir():
        staging.make_folders(("nodes",))


def _kept_entries(
    render: ClusterRender, staging: Staging, nodes: Sequence[NodePlan]
) -> dict[str, NodeEntry]:
    """The entries of nodes that stay as they are; all other folders are cleared away."""
    again = {node.name for node in nodes}
    manifest = staging.path / MANIFEST
    if not manifest.is_file():
        return {}
    entries: dict[str, NodeEntry] = json.loads(manifest.read_text(encoding="utf-8"))["nodes"]
    kept = render.plan.by_name.keys() - again
    for name in entries.keys() - kept:
        shutil.rmtree(staging.path / "nodes" / name, ignore_errors=True)
    return {name: entry for name, entry in entries.items() if name in kept}


def _write_anew(staging: Staging, name: str, text: str) -> None:
    (staging.path / name).unlink(missing_ok=True)
    staging.write(name, text.encode())
