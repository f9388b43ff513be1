"""The comparison of a render with the output folder of an earlier one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from khgen.changes.compare import (
    Change,
    KeyChange,
    NodeChange,
    NodeTree,
    SpecValues,
    TreeFile,
    changed_keys,
    changed_node,
    concerning,
    gone_node,
    spec_values,
)
from khgen.changes.file_rules import META_DATA, NETWORK_CONFIG, USER_DATA, cloud_config
from khgen.disk.manifest import NodeEntry, RenderedManifest
from khgen.disk.rendered_output import load_spec_values, load_tree
from khgen.problems import Problems
from khgen.render import ClusterRender, RenderedNode

SIGNS = {Change.CHANGED: "~", Change.NEW: "+", Change.GONE: "-"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An output folder: its manifest and its spec, without the nodes' files."""

    out: Path
    manifest: RenderedManifest
    spec: SpecValues | None


def held_in(out: Path, manifest: RenderedManifest) -> Held:
    """The output folder that has this manifest."""
    return Held(out=out, manifest=manifest, spec=load_spec_values(out))


class Comparison:
    """Finds what a render changes; it reads files only of nodes whose digests differ."""

    def __init__(self, render: ClusterRender, held: Held) -> None:
        """A comparison of that render with that output."""
        self._render = render
        self._held = held
        self._roles = frozenset(node.role for node in render.plan.nodes)
        values = spec_values(render.plan.spec)
        self.keys: tuple[KeyChange, ...] = changed_keys(held.spec or values, values)

    def knows(self, name: str) -> bool:
        """Whether the output has that node."""
        return name in self._held.manifest.nodes

    def stays(self, name: str, entry: NodeEntry) -> bool:
        """Whether the output has the node with the digests of this entry."""
        if name not in self._held.manifest.nodes:
            return False
        old, new = self._held.manifest.nodes[name], entry["userData"]
        return (
            (old.user_data.plain_sha256, old.user_data.encoding)
            == (new["plainSha256"], new["encoding"])
            and old.meta_data_sha256 == entry["metaDataSha256"]
            and old.network_config_sha256 == entry["networkConfigSha256"]
            and (old.update is None or old.update.sha256 == entry["update"]["sha256"])
        )

    def changed(self, rendered: RenderedNode) -> tuple[NodeChange, Problems]:
        """The differences of a node that both have, and the problems of its files in the output."""
        node = rendered.node
        before, problems = load_tree(self._held.out, self._held.manifest, node.name)
        change = changed_node(
            node.name,
            node.role,
            before,
            _tree(rendered),
            concerning(self.keys, node.name, node.role, self._roles),
            replaced=rendered.machine > self._held.manifest.nodes[node.name].machine,
        )
        return change, problems

    def gone(self) -> Iterator[NodeChange]:
        """The nodes that are in the output but not in the spec."""
        for name, entry in self._held.manifest.nodes.items():
            if name not in self._render.plan.by_name:
                yield gone_node(name, entry.role)


def _tree(rendered: RenderedNode) -> NodeTree:
    tree = {
        str(file.path): TreeFile(content=file.content.encode(), closed=file.mode & 0o077 == 0)
        for file in rendered.living
    }
    tree[USER_DATA] = TreeFile(content=cloud_config(rendered.user_data.text), closed=True)
    tree[META_DATA] = TreeFile(content=rendered.meta_data.encode(), closed=False)
    if rendered.network_config is not None:
        tree[NETWORK_CONFIG] = TreeFile(content=rendered.network_config.encode(), closed=False)
    return tree
