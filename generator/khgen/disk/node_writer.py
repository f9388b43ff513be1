"""One node's folder in the output, written into the staging folder, and the trees of the kinds."""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import PurePosixPath

from khgen.disk.manifest import NodeEntry, node_entry
from khgen.disk.staging import Staging
from khgen.export.rendered_machines import META_DATA, NETWORK_CONFIG, USER_DATA
from khgen.plan.cluster_plan import NodePlan
from khgen.plan.node_file import NodeFile
from khgen.render import ClusterRender, RenderedNode

BATCH = 25
ROOTFS = "rootfs"
KINDS = "kinds"
NODES = "nodes"


class NodeWriter:
    """Renders nodes, and writes those that the present output does not have as they are."""

    def __init__(self, render: ClusterRender, staging: Staging, *, rootfs: bool) -> None:
        """A writer into that staging folder; with `rootfs`, of every node's whole tree too."""
        self._render = render
        self._staging = staging
        self._rootfs = rootfs
        self._stored: dict[int, str] = {}

    def batches(self, nodes: Sequence[NodePlan]) -> Iterator[dict[str, NodeEntry]]:
        """Write the nodes; yields manifest entries, some at a time."""
        remaining = iter(nodes)
        while batch := tuple(islice(remaining, BATCH)):
            yield {node.name: self._write(self._render.node(node)) for node in batch}

    def _write(self, rendered: RenderedNode) -> NodeEntry:
        folder = f"{NODES}/{rendered.node.name}"
        given = _given(rendered)
        if not self._is_present(folder, rendered, given):
            self._staging.make_folders((folder,))
            for name, content in given.items():
                self._staging.write(f"{folder}/{name}", content)
            if self._rootfs:
                self._write_rootfs(f"{folder}/{ROOTFS}", rendered)
        return node_entry(rendered, rootfs=self._rootfs)

    def _is_present(self, folder: str, rendered: RenderedNode, given: dict[str, bytes]) -> bool:
        staging = self._staging
        names = {*given, ROOTFS} if self._rootfs else {*given}
        if staging.present_names(folder) != names:
            return False
        same = (staging.is_present(f"{folder}/{name}", given[name]) for name in given)
        return all(same) and (
            not self._rootfs or has_tree(staging, f"{folder}/{ROOTFS}", rendered.files)
        )

    def _write_rootfs(self, folder: str, rendered: RenderedNode) -> None:
        make_tree_folders(self._staging, folder, rendered.files)
        for file in rendered.shared:
            self._store(file, f"{folder}{file.path}")
        for file in rendered.own:
            self._staging.write(f"{folder}{file.path}", file.content.encode(), file.mode)

    def _store(self, file: NodeFile, relative: str) -> None:
        stored = self._stored.get(id(file))  # The render keeps shared files: an id is one file.
        if stored is None or not self._staging.link(stored, relative):
            self._staging.write(relative, file.content.encode(), file.mode)
            self._stored[id(file)] = relative


def make_tree_folders(staging: Staging, folder: str, files: Iterable[NodeFile]) -> None:
    """Create every folder that these files need below `folder`, and that one."""
    paths = tuple(file.path for file in files)
    staging.make_folders(f"{folder}{below}" for below in _folders(paths))


def has_tree(staging: Staging, folder: str, files: Sequence[NodeFile]) -> bool:
    """Whether the present output has exactly these files below that folder."""
    paths = {f"{folder}{file.path}" for file in files}
    walk = os.walk(staging.present / folder)
    below = len(str(staging.present)) + 1
    held = {f"{root[below:]}/{name}" for root, _, names in walk for name in names}
    return held == paths and all(
        staging.is_present(f"{folder}{file.path}", file.content.encode(), file.mode)
        for file in files
    )


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
