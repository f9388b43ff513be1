"""Rendered nodes as folders, one of each kind, for programs that read them from disk."""

from collections.abc import Iterable
from pathlib import Path

from khgen.plan.cluster_plan import NodeFile, NodePlan
from khgen.render import ClusterRender


def one_of_each_kind(render: ClusterRender) -> tuple[NodePlan, ...]:
    """The first node of every kind that the cluster has."""
    return tuple({node.kind: node for node in reversed(render.plan.nodes)}.values())


def write_rootfs(files: Iterable[NodeFile], root: Path) -> Path:
    """The files below `root`, as the node would have them below /."""
    for file in files:
        path = root / file.path.relative_to("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.content, encoding="utf-8")
        path.chmod(file.mode)
    return root
