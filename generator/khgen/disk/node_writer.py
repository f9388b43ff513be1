"""Writes a folder for each node, on all processors, and a tree for each kind.

The processes that write nodes hold nothing that their parent needs, and end with it.
"""

import ctypes
import errno
import gc
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import PurePosixPath

from khgen.bundle.update_bundle import KIND_ARCHIVE, UpdateBundle
from khgen.disk.manifest import (
    KINDS,
    NODES,
    ROOTFS,
    UPDATE,
    KindTrees,
    NodeEntry,
    earlier_tree,
    kind_trees,
    node_entry,
)
from khgen.disk.staging import Staging
from khgen.disk.system_calls import take_signals
from khgen.export.rendered_machines import META_DATA, NETWORK_CONFIG, USER_DATA
from khgen.plan.cluster_plan import NodeFile, NodePlan
from khgen.render import ClusterRender, ClusterUpdates, RenderedNode

BATCH = 25
PARALLEL_FROM = 100
"""With fewer nodes than this, starting further processes costs more than it saves."""
SIGNALS_TAKEN_EVERY = 0.1
WRITER_DIED = "a process that wrote nodes was killed, by a signal or for lack of memory: try again"
_PR_SET_PDEATHSIG = 1

Batch = dict[str, NodeEntry]


class WriterDiedError(OSError):
    """A process that wrote nodes ended before it was done, by a signal or for lack of memory."""


class NodeWriter:
    """Renders nodes, and writes those that the present output does not have as they are."""

    def __init__(
        self, render: ClusterRender, updates: ClusterUpdates, staging: Staging, *, rootfs: bool
    ) -> None:
        """A writer into that staging folder; with `rootfs`, of every node's whole tree too."""
        self._render = render
        self._updates = updates
        self._staging = staging
        self._rootfs = rootfs
        self._stored: dict[int, str] = {}

    def batches(self, nodes: Sequence[NodePlan]) -> Iterator[dict[str, NodeEntry]]:
        """Write these nodes; yields the manifest entries of each batch as it is written."""
        remaining = iter(nodes)
        while batch := tuple(islice(remaining, BATCH)):
            yield {node.name: self._write(self._render.node(node)) for node in batch}

    def _write(self, rendered: RenderedNode) -> NodeEntry:
        folder = f"{NODES}/{rendered.node.name}"
        given = _given(rendered)
        update = self._updates.bundle(rendered)
        if not self._is_present(folder, rendered, given, update):
            self._staging.make_folders((folder,))
            for name, content in given.items():
                self._staging.write(f"{folder}/{name}", content)
            self._write_update(f"{folder}/{UPDATE}", update)
            if self._rootfs:
                self._write_rootfs(f"{folder}/{ROOTFS}", rendered)
        return node_entry(rendered, update, rootfs=self._rootfs)

    def _is_present(
        self,
        folder: str,
        rendered: RenderedNode,
        given: Mapping[str, bytes],
        update: UpdateBundle,
    ) -> bool:
        staging = self._staging
        names = {*given, UPDATE, ROOTFS} if self._rootfs else {*given, UPDATE}
        if staging.present_names(folder) != names:
            return False
        if staging.present_names(f"{folder}/{UPDATE}") != update.files.keys():
            return False
        below = {f"{UPDATE}/{name}": content for name, content in update.files.items()}
        same = (
            staging.present_content(f"{folder}/{name}") == content
            for name, content in {**given, **below}.items()
        )
        return all(same) and (
            not self._rootfs or has_tree(staging, f"{folder}/{ROOTFS}", rendered.files)
        )

    def _write_rootfs(self, folder: str, rendered: RenderedNode) -> None:
        _make_tree_folders(self._staging, folder, rendered.files)
        for file in rendered.shared:
            self._store(file, file.content.encode(), f"{folder}{file.path}", file.mode)
        for file in rendered.own:
            self._staging.write(f"{folder}{file.path}", file.content.encode(), file.mode)

    def _write_update(self, folder: str, update: UpdateBundle) -> None:
        self._staging.make_folders((folder,))
        for name, content in update.files.items():
            if name == KIND_ARCHIVE:
                self._store(content, content, f"{folder}/{name}")
            else:
                self._staging.write(f"{folder}/{name}", content)

    def _store(self, thing: object, content: bytes, relative: str, mode: int = 0o600) -> None:
        stored = self._stored.get(id(thing))  # The render keeps what is shared: an id is one file.
        if stored is None or not self._staging.link(stored, relative):
            self._staging.write(relative, content, mode)
            self._stored[id(thing)] = relative


def written(writer: NodeWriter, nodes: Sequence[NodePlan]) -> Generator[Batch, None, None]:
    """Render and write the nodes; yields manifest entries as they get done."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if len(nodes) < PARALLEL_FROM or processors == 1:
        for entries in writer.batches(nodes):
            yield entries
            take_signals()
    else:
        shares = [writer.batches(nodes[number::processors]) for number in range(processors)]
        yield from _in_parallel(shares)


def write_kind_trees(render: ClusterRender, staging: Staging) -> KindTrees:
    """Write what the nodes of each kind share; returns the digests."""
    for kind, rendered in render.kinds.items():
        tree = f"{KINDS}/{kind}/{ROOTFS}"
        staging.make_folders((f"{KINDS}/{kind}",))
        _make_tree_folders(staging, tree, rendered.shared)
        for file in rendered.shared:
            staging.write(f"{tree}{file.path}", file.content.encode(), file.mode)
    return kind_trees(render)


def kept_trees(
    render: ClusterRender, staging: Staging, trees: KindTrees, used: frozenset[str]
) -> Mapping[str, str]:
    """Keep the trees that nodes of an earlier render use; returns the name of each from now on.

    A tree that this render writes with other files gets a name of its own. All others are removed.
    """
    rendered = kind_trees(render)
    names = {
        name: name
        if rendered.get(name, trees[name]) == trees[name]
        else earlier_tree(name, trees[name])
        for name in used
    }
    folder = staging.path / KINDS
    folder.mkdir(exist_ok=True)
    for tree in sorted(folder.iterdir()):
        target = folder / names.get(tree.name, tree.name)
        if tree.name in rendered and target != tree and not target.exists():
            tree.rename(target)
        elif tree.name in rendered or tree.name not in used:
            shutil.rmtree(tree)
    return names


def has_tree(staging: Staging, folder: str, files: Sequence[NodeFile]) -> bool:
    """Whether the present output has exactly these files below that folder."""
    paths = {f"{folder}{file.path}" for file in files}
    walk = os.walk(staging.present / folder)
    below = len(str(staging.present)) + 1
    held = {f"{root[below:]}/{name}" for root, _, names in walk for name in names}
    return held == paths and all(
        staging.present_content(f"{folder}{file.path}", file.mode) == file.content.encode()
        for file in files
    )


def _make_tree_folders(staging: Staging, folder: str, files: Iterable[NodeFile]) -> None:
    """Create every folder that these files need below `folder`, and that one."""
    paths = tuple(file.path for file in files)
    staging.make_folders(f"{folder}{below}" for below in _folders(paths))


def _given(rendered: RenderedNode) -> dict[str, bytes]:
    given = {USER_DATA: rendered.user_data.delivered, META_DATA: rendered.meta_data.encode()}
    if rendered.network_config is not None:
        given[NETWORK_CONFIG] = rendered.network_config.encode()
    return given


@lru_cache(maxsize=64)
def _folders(paths: tuple[PurePosixPath, ...]) -> tuple[str, ...]:
    """Every folder that these paths need, parents first; the root is the empty text."""
    folders = {str(parent).rstrip("/") for path in paths for parent in path.parents}
    return tuple(sorted(folders))


def _in_parallel(shares: Sequence[Iterator[Batch]]) -> Generator[Batch, None, None]:
    """Run each share in a process of its own; yields their batches as they get done."""
    context = multiprocessing.get_context("fork")
    gc.freeze()  # The children need not look through what was there before them.
    processes = []
    channels: list[Connection] = []
    try:
        for share in shares:
            receiver, sender = context.Pipe(duplex=False)
            channels.append(receiver)
            arguments = (os.getpid(), tuple(channels), share, sender)
            process = context.Process(target=_work, args=arguments)
            process.start()
            processes.append(process)
            sender.close()
        yield from _received(channels)
    finally:
        # Nobody may still write when the staging folder is swapped in or cleared away.
        for process in processes:
            process.kill()
            process.join()


def _work(
    parent: int,
    receivers: Sequence[Connection],
    share: Iterator[Batch],
    sender: Connection,
) -> None:
    """One process's share. Signals that end a program stay blocked: the parent answers them."""
    _end_with(parent)
    # A copy of a read end here would hide from the writers that their parent has ended.
    for receiver in receivers:
        receiver.close()
    try:
        for batch in share:
            sender.send(batch)
        sender.send(None)
    except BrokenPipeError:
        return
    except Exception as error:  # noqa: BLE001 - handed to the parent, which raises it
        sender.send(error)


def _end_with(parent: int) -> None:
    """End this process at once when its parent ends, prctl(2).

    On other systems it ends at its next batch of nodes, by the pipe that nobody reads (EPIPE).
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # It ended before prctl was called.
        os._exit(1)


def _received(channels: list[Connection]) -> Iterator[Batch]:
    open_channels = list(channels)
    while open_channels:
        for channel in wait(open_channels, SIGNALS_TAKEN_EVERY):
            assert isinstance(channel, Connection)  # noqa: S101 - only pipes were put in
            try:
                message = channel.recv()
            except (EOFError, OSError):
                raise WriterDiedError(errno.ECHILD, WRITER_DIED) from None
            if message is None:
                open_channels.remove(channel)
            elif isinstance(message, BaseException):
                raise message
            else:
                yield message
        take_signals()
