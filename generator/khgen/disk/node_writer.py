"""One node's folder in the output, written into the staging folder."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import PurePosixPath

from khgen.disk.manifest import NodeEntry, node_entry
from khgen.disk.staging import Staging
from khgen.plan.cluster_plan import NodeFile, NodePlan
from khgen.render import ClusterRender, RenderedNode

BATCH = 25


class NodeWriter:
    """Renders and writes nodes; what nodes of a kind share is stored once and linked."""

    def __init__(self, render: ClusterRender, staging: Staging) -> None:
        """A writer into that staging folder."""
        self._render = render
        self._staging = staging
        self._stored: dict[int, str] = {}

    def batches(self, nodes: Sequence[NodePlan]) -> Iterator[dict[str, NodeEntry]]:
        """Write the nodes; yields manifest entries, some at a time."""
        remaining = iter(nodes)
        while batch := tuple(islice(remaining, BATCH)):
            yield {node.name: self._write(self._render.node(node)) for node in batch}

    def _write(self, rendered: RenderedNode) -> NodeEntry:
        folder = f"nodes/{rendered.node.name}"
        staging = self._staging
        paths = tuple(file.path for file in rendered.files)
        staging.make_folders((folder, *(f"{folder}/{name}" for name in _rootfs_folders(paths))))
        staging.write(f"{folder}/user-data", rendered.user_data.delivered)
        staging.write(f"{folder}/meta-data", rendered.meta_data.encode())
        if rendered.network_config is not None:
            staging.write(f"{folder}/network-config", rendered.network_config.encode())
        for file in rendered.shared:
            self._store(file, f"{folder}/rootfs{file.path}")
        for file in rendered.own:
            staging.write(f"{folder}/rootfs{file.path}", file.content.encode(), file.mode)
        return node_entry(rendered)

    def _store(self, file: NodeFile, relative: str) -> None:
        stored = self._stored.get(id(file))  # The render keeps shared files: an id is one file.
        if stored is None or not self._staging.link(stored, relative):
            self._staging.write(relative, file.content.encode(), file.mode)
            self._stored[id(file)] = relative


@lru_cache(maxsize=64)
def _rootfs_folders(paths: tuple[PurePosixPath, ...]) -> tuple[str, ...]:
    """Every folder that these paths need below rootfs, parents first."""
    folders = {f"rootfs{parent}".rstrip("/") for path in paths for parent in path.parents}
    return tuple(sorted(folders))
