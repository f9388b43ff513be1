"""The text of `khgen status`: a table of nodes, and what differs."""

import os
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

import click

from khgen.cli.outcome import LISTED_NODES
from khgen.live.api_objects import UpdateState
from khgen.live.cluster_report import (
    IN_API,
    ClusterReport,
    NodeStatus,
    bundle_text,
    time_text,
)
from khgen.spec.model import NodeRole

WIDTH = 100
_INDENT = "    "
_HEADINGS = ("node", "role", "ready", "kubernetes", "bundle", "update", "etcd", "certificates end")
_COLOURS = {
    UpdateState.WAITING: "yellow",
    UpdateState.ROLLING: "yellow",
    UpdateState.FAILED: "red",
    UpdateState.REFUSED: "red",
}


def status_lines(report: ClusterReport, width: int = WIDTH) -> Iterator[str]:
    """The report for people: what stopped a roll comes first, then the cluster, then its nodes."""
    for reason in report.stopped:
        yield from _wrapped(f"the roll stopped: {reason}", width, first_colour="red")
    yield _summary(report)
    for difference in report.differences:
        yield from _wrapped(difference, width)
    yield from _roll_lines(report)
    yield ""
    yield from _node_lines(report, width)
    yield from _other_lines(report, width)


def status_by_subject(report: ClusterReport) -> dict[str, str]:
    """What differs, by the node or the cluster that it is about; `--watch` prints changes of it."""
    cluster = [*(f"the roll stopped: {reason}" for reason in report.stopped), *report.differences]
    texts = {report.cluster: "; ".join(cluster)} if cluster else {}
    texts |= {node.name: "; ".join(node.differences) for node in report.nodes if node.differences}
    return texts | dict.fromkeys(report.unknown, "not in the output")


def _summary(report: ClusterReport) -> str:
    nodes = [node for node in report.nodes if node.in_api]
    good = sum(not node.differences for node in nodes)
    if report.as_rendered:
        text = f"all {len(nodes)} nodes are as rendered" if len(nodes) > 1 else "as rendered"
        return f"{report.cluster}: {_coloured(text, 'green')}, Kubernetes {report.kubernetes}"
    count = f"{good} of {len(nodes)} nodes are as rendered"
    return f"{report.cluster}: {count}, Kubernetes {report.kubernetes} is wanted"


def _roll_lines(report: ClusterReport) -> Iterator[str]:
    window = report.window
    if report.paused:
        yield "updates are paused: only a node that holds a slot goes on"
    elif window is not None:
        opens = "closes" if window.open else "opens"
        yield f"the window for updates {opens} at {time_text(window.until)}"
    if report.vip is not None and report.vip_holders:
        yield f"VIP {report.vip}: held by {' and '.join(report.vip_holders)}"


def _node_lines(report: ClusterReport, width: int) -> Iterator[str]:
    """A table; a large cluster's has control planes, and other nodes that differ."""
    nodes = [node for node in report.nodes if node.in_api]
    shown = nodes if len(nodes) <= LISTED_NODES else _most_telling(nodes)
    rows = [_HEADINGS, *map(_row, shown)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield _aligned(_HEADINGS, widths)
    for node, row in zip(shown, rows[1:], strict=True):
        yield _coloured_row(node, _aligned(row, widths))
        for difference in node.differences:
            yield from _wrapped(difference, width, indent=_INDENT)
    hidden = [node for node in nodes if node not in shown]
    for differs, count in Counter(bool(node.differences) for node in hidden).items():
        yield f"{count:,} more that differ" if differs else f"{count:,} more are as rendered"


def _most_telling(nodes: Sequence[NodeStatus]) -> list[NodeStatus]:
    """Control planes and nodes that differ, in their order and no more than are listed."""
    order = sorted(nodes, key=lambda n: (n.role is not NodeRole.CONTROL_PLANE, not n.differences))
    telling = [n for n in order if n.differences or n.role is NodeRole.CONTROL_PLANE]
    chosen = {node.name for node in telling[:LISTED_NODES]}
    return [node for node in nodes if node.name in chosen]


def _row(node: NodeStatus) -> tuple[str, ...]:
    report = node.report
    ready = "yes" if node.ready else "no"
    end = report.certificates_end if report else None
    return (
        node.name,
        node.role,
        f"{ready}, cordoned" if node.cordoned else ready if node.node else "-",
        _versions(node),
        bundle_text(node.applied) if node.applied is not None else "-",
        _update(node),
        (report and report.etcd) or "-",
        f"{end:%Y-%m-%d}" if end else "-",
    )


def _versions(node: NodeStatus) -> str:
    if node.api_server and node.api_server != node.kubelet:
        return f"{node.api_server}, kubelet {node.kubelet}"
    return node.kubelet or "-"


def _update(node: NodeStatus) -> str:
    state = node.report.state if node.report else "-"
    return f"{state}, slot" if node.slot and node.slot.state == "rolling" else state


def _other_lines(report: ClusterReport, width: int) -> Iterator[str]:
    if report.unknown:
        names = ", ".join(report.unknown)
        yield ""
        yield from _wrapped(f"in the cluster, but not in the output: {names}", width)
    outside = [node.name for node in report.nodes if node.role not in IN_API]
    if outside:
        yield ""
        hint = "khgen-boot status on each shows its state"
        yield from _wrapped(f"not seen by the API: {', '.join(outside)}; {hint}", width)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return "  ".join(cells).rstrip()


def _coloured_row(node: NodeStatus, line: str) -> str:
    """The line, coloured from the name on by how the node is."""
    if not node.differences:
        return line
    state = node.report.state if node.report else None
    colour = _COLOURS.get(state, "yellow") if state else "yellow"
    return _coloured(node.name, colour) + line.removeprefix(node.name)


def _wrapped(
    text: str, width: int, *, indent: str = "", first_colour: str | None = None
) -> Iterator[str]:
    lines = textwrap.wrap(
        text,
        max(width, 40),
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines:
        yield _coloured(line, first_colour) if first_colour else line


def _coloured(text: str, colour: str) -> str:
    """The text in colour; click removes colours where there is no terminal."""
    return text if "NO_COLOR" in os.environ else click.style(text, fg=colour)
