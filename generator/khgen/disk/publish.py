"""From a render to the files in the output folder, on as many processors as there are."""

import gc
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from multiprocessing.connection import Connection, wait
from pathlib import Path

from khgen.changes.keys import spec_values
from khgen.disk.manifest import NodeEntry, manifest_text, node_entry, over_budget
from khgen.disk.node_writer import NodeWriter
from khgen.disk.staging import MANIFEST, SPEC, Staging, staged
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


class WriterDiedError(OSError):
    """A process that wrote nodes ended before it was done, by a signal or for lack of memory."""


def dry_run(
    render: ClusterRender, nodes: Sequence[NodePlan], progress: Progress
) -> dict[str, NodeEntry]:
    """Render these nodes without writing, and return their manifest entries."""
    entries = {}
    for node in nodes:
        entries[node.name] = node_entry(render.node(node))
        progress(1)
    return entries


def publish(
    render: ClusterRender,
    out: Path,
    nodes: Sequence[NodePlan],
    progress: Progress,
    settle: Settle = lambda _: None,
) -> dict[str, NodeEntry]:
    """Write these nodes to `out` and return their manifest entries.

    If they are all the plan's nodes, the output holds nothing else; if not, it keeps the others.
    `settle` is called when all is written, just before it replaces `out`. Raises OverBudgetError,
    OSError, and what `settle` raises: `out` is then as it was.
    """
    whole = len(nodes) == len(render.plan.nodes)
    with staged(out, keep=not whole) as staging:
        kept = {} if whole else _kept_entries(render, staging, nodes)
        if not (staging.path / "nodes").is_dir():
            staging.make_folders(("nodes",))
        entries: dict[str, NodeEntry] = {}
        with closing(_written(render, staging, nodes)) as batches:
            for batch in batches:
                entries.update(batch)
                progress(len(batch))
        if over_budget(entries):
            raise OverBudgetError(entries)
        _write_anew(staging, "admin.conf", render.admin_conf())
        _keep_spec(render, staging, whole=whole)
        _write_anew(staging, MANIFEST, manifest_text(render, {**kept, **entries}))
        settle(entries)
    return entries


def _written(
    render: ClusterRender, staging: Staging, nodes: Sequence[NodePlan]
) -> Generator[dict[str, NodeEntry], None, None]:
    """Render and write the nodes; yields manifest entries as they get done."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if len(nodes) < PARALLEL_FROM or processors == 1:
        yield from NodeWriter(render, staging).batches(nodes)
        return
    context = multiprocessing.get_context("fork")
    gc.freeze()  # The children need not look through what was there before them.
    processes, channels = [], []
    try:
        for number in range(processors):
            receiver, sender = context.Pipe(duplex=False)
            share = (render, staging, nodes[number::processors], sender)
            process = context.Process(target=_work, args=share, daemon=True)
            process.start()
            processes.append(process)
            sender.close()
            channels.append(receiver)
        yield from _received(channels)
    finally:
        # Nobody may still write when the staging folder is swapped in or cleared away.
        for process in processes:
            process.terminate()
            process.join()


def _work(
    render: ClusterRender, staging: Staging, nodes: Sequence[NodePlan], sender: Connection
) -> None:
    """One process's share. It ends by itself when nobody listens any more (EPIPE)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is the parent's to answer.
    try:
        for entries in NodeWriter(render, staging).batches(nodes):
            sender.send(entries)
        sender.send(None)
    except BrokenPipeError:
        return
    except Exception as error:  # noqa: BLE001 - handed to the parent, which raises it
        sender.send(error)


def _received(channels: list[Connection]) -> Iterator[dict[str, NodeEntry]]:
    while channels:
        for channel in wait(channels):
            assert isinstance(channel, Connection)  # noqa: S101 - only pipes were put in
            try:
                message = channel.recv()
            except EOFError:
                raise WriterDiedError(0, "a process that wrote nodes was ended") from None
            if message is None:
                channels.remove(channel)
            elif isinstance(message, BaseException):
                raise message
            else:
                yield message


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


def _keep_spec(render: ClusterRender, staging: Staging, *, whole: bool) -> None:
    """Write the spec for the next comparison; nodes that are kept came from the one that is there."""
    if whole or not (staging.path / MANIFEST).exists():
        _write_anew(staging, SPEC, json.dumps(spec_values(render.plan.spec), indent=2) + "\n")


def _write_anew(staging: Staging, name: str, text: str) -> None:
    (staging.path / name).unlink(missing_ok=True)
    staging.write(name, text.encode())
