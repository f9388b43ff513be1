"""What `khgen render` tells about what it wrote."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from khgen.disk.manifest import NodeEntry
from khgen.plan.cluster_plan import Plan

LISTED_NODES = 24
"""Larger clusters are summed up by role instead."""


def summary(plan: Plan, entries: Mapping[str, NodeEntry], output: Path | None) -> str:
    """What was rendered (or could be, without an output folder), how large, and what comes next."""
    what = f"{len(entries)} nodes of {plan.spec.metadata.name} (Kubernetes {plan.version})"
    if output is None:
        return f"{what} can be rendered; nothing was written"
    table = _sums(entries) if len(entries) > LISTED_NODES else _table(plan, entries)
    return (
        f"rendered {what} into {output}/\n\n{table}\n\n"
        f"next: give each machine its user-data and meta-data from {output}/nodes/<name>/,\n"
        f"then: kubectl --kubeconfig {output}/admin.conf get nodes"
    )


def _table(plan: Plan, entries: Mapping[str, NodeEntry]) -> str:
    rows: list[tuple[str, ...]] = [("node", "role", "address", "user-data", "gzipped", "limit")]
    for node in plan.nodes:
        if node.name in entries:
            entry = entries[node.name]["userData"]
            limit = "none" if entry["limit"] is None else _kib(entry["limit"])
            sizes = (_kib(entry["bytes"]), _kib(entry["gzippedBytes"]), limit)
            rows.append((node.name, node.role, str(node.address), *sizes))
    return _aligned(rows)


def _sums(entries: Mapping[str, NodeEntry]) -> str:
    counts = Counter(entry["role"] for entry in entries.values())
    rows = [("role", "nodes", "largest user-data", "gzipped")]
    for role, count in counts.items():
        sizes = [entry["userData"] for entry in entries.values() if entry["role"] == role]
        largest = max(sizes, key=lambda size: size["bytes"])
        rows.append((role, f"{count:,}", _kib(largest["bytes"]), _kib(largest["gzippedBytes"])))
    return _aligned(rows)


def _kib(size: int) -> str:
    return f"{size / 1024:.1f} KiB"


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)
