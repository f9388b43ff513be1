"""The report of a running cluster: what was rendered, compared with what the API shows."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from khgen.disk.manifest import ManifestNode, RenderedManifest
from khgen.live.api_objects import (
    Node,
    NodeReport,
    Pod,
    Roll,
    Slot,
    Snapshot,
    UpdateState,
    Window,
    is_true,
)
from khgen.spec.model import NodeRole
from khgen.spec.model.updates import Day

HEALTHY = "healthy"
"""What a node reports of an etcd member that is well."""
IN_API = frozenset({NodeRole.CONTROL_PLANE, NodeRole.WORKER})
"""The roles that have a Node."""
_WEEK = tuple(Day)
"""In the order of datetime.weekday()."""
_LISTED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What the report compares the cluster with: an output folder."""

    out: str
    manifest: RenderedManifest
    pull: bool = True
    """Whether nodes pull their updates (`updates.pull`)."""
    vip: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """One node: what it is, and how it differs from what was rendered."""

    name: str
    role: NodeRole
    node: Node | None
    """None if the API has no Node of that name."""
    pod: Pod | None
    """Its API server's."""
    wanted: int | None
    """The generation of the update bundle in the output."""
    applied: int | None
    report: NodeReport | None
    slot: Slot | None
    differences: tuple[str, ...] = ()

    @property
    def in_api(self) -> bool:
        """Whether a node of its role has a Node at all."""
        return self.role in IN_API

    @property
    def ready(self) -> bool:
        """Whether it can run pods."""
        return self.node is not None and is_true(self.node.status.conditions, "Ready")

    @property
    def cordoned(self) -> bool:
        """Whether it takes no new pods."""
        return self.node is not None and self.node.spec.unschedulable

    @property
    def kubelet(self) -> str:
        """The kubelet's version; empty where it is not known."""
        return self.node.status.node_info.kubelet_version.removeprefix("v") if self.node else ""

    @property
    def api_server(self) -> str:
        """The API server's version; empty where there is none."""
        return self.pod.version.removeprefix("v") if self.pod else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowState:
    """Whether a roll may start now, and when that changes."""

    open: bool
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterReport:
    """The cluster at one moment, compared with an output folder."""

    cluster: str
    kubernetes: str
    at: datetime
    stopped: tuple[str, ...]
    """Why the roll stopped by itself, if it did."""
    differences: tuple[str, ...]
    """What concerns no single node of the output."""
    nodes: tuple[NodeStatus, ...]
    unknown: tuple[str, ...]
    """Nodes in the cluster that are not in the output."""
    paused: bool
    window: WindowState | None
    vip: str | None
    vip_holders: tuple[str, ...]

    @property
    def as_rendered(self) -> bool:
        """Whether nothing differs, as far as the API shows it."""
        ours = any(node.differences for node in self.nodes)
        return not (ours or self.stopped or self.differences or self.unknown)


def cluster_report(rendered: Rendered, seen: Snapshot, now: datetime) -> ClusterReport:
    """The report of what was seen at that moment."""
    manifest, roll = rendered.manifest, seen.roll
    nodes = tuple(
        _node(name, entry, manifest.kubernetes, seen, now) for name, entry in manifest.nodes.items()
    )
    holders = tuple(name for name, report in seen.reports.items() if report.vip)
    return ClusterReport(
        cluster=manifest.cluster,
        kubernetes=manifest.kubernetes,
        at=now,
        stopped=tuple(_stopped(roll)) if roll else (),
        differences=(*_cluster_differences(rendered, seen, nodes, holders), *seen.faults),
        nodes=nodes,
        unknown=tuple(sorted(seen.nodes.keys() - manifest.nodes.keys())),
        paused=roll is not None and roll.paused,
        window=_window_state(roll.window, now) if roll and roll.window else None,
        vip=rendered.vip,
        vip_holders=holders,
    )


def time_text(moment: datetime) -> str:
    """The moment in UTC, to the minute."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}Z"


def bundle_text(generation: int) -> str:
    """An update bundle's generation, which is a Unix time, as a person reads it."""
    return time_text(datetime.fromtimestamp(generation, UTC))


def _node(
    name: str, entry: ManifestNode, kubernetes: str, seen: Snapshot, now: datetime
) -> NodeStatus:
    report, roll = seen.reports.get(name), seen.roll
    given = roll.wanted.get(name) if roll else None
    applied = report.applied if report else None
    if applied is None and roll:
        applied = roll.applied.get(name)
    status = NodeStatus(
        name=name,
        role=entry.role,
        node=seen.nodes.get(name),
        pod=seen.api_servers.get(name),
        wanted=entry.update.generation if entry.update else given,
        applied=applied,
        report=report,
        slot=roll.slots.get(name) if roll else None,
    )
    found = _differences(status, kubernetes, now, expected=given is not None)
    return replace(status, differences=tuple(found))


def _differences(
    status: NodeStatus, kubernetes: str, now: datetime, *, expected: bool
) -> Iterator[str]:
    """How the node differs; `expected` says whether the cluster has a bundle for it."""
    if status.node is not None:
        yield from _update_differences(status, expected=expected)
        yield from _version_differences(status, kubernetes)
        yield from _health_differences(status, status.node)
        yield from _report_differences(status.report, now)
    elif status.in_api:
        yield "not in the cluster: it has no Node"


def _update_differences(status: NodeStatus, *, expected: bool) -> Iterator[str]:
    report, applied, wanted = status.report, status.applied, status.wanted
    under_way = report is not None and report.state is not UpdateState.APPLIED
    if report is not None and under_way:
        since = f" since {time_text(report.since)}" if report.since else ""
        yield f"{report.state}{since}: {report.line}" if report.line else f"{report.state}{since}"
    if wanted is None or applied == wanted or (report and under_way and report.wanted == wanted):
        return
    if applied is not None:
        yield f"it has the bundle of {bundle_text(applied)}, and {bundle_text(wanted)} is wanted"
    elif expected:
        yield f"it has not reported a bundle yet, and {bundle_text(wanted)} is wanted"


def _version_differences(status: NodeStatus, kubernetes: str) -> Iterator[str]:
    versions = {"kubelet": status.kubelet}
    if status.pod is not None and status.role is NodeRole.CONTROL_PLANE:
        versions["API server"] = status.api_server
    for program, version in versions.items():
        if version != kubernetes:
            number = version or "of an unknown version"
            yield f"its {program} is {number}, and {kubernetes} is wanted"


def _health_differences(status: NodeStatus, node: Node) -> Iterator[str]:
    if not status.ready:
        messages = [one.message for one in node.status.conditions if one.type == "Ready"]
        yield f"not ready: {messages[0]}" if any(messages) else "not ready"
    if status.role is not NodeRole.CONTROL_PLANE:
        return
    if status.pod is None:
        yield "no API server runs on it"
    elif not is_true(status.pod.status.conditions, "Ready"):
        yield "its API server is not ready"


def _report_differences(report: NodeReport | None, now: datetime) -> Iterator[str]:
    if report is None:
        return
    if report.etcd not in (None, HEALTHY):
        yield f"etcd: {report.etcd}"
    if report.certificates_end is not None and report.certificates_end <= now:
        yield f"a certificate expired on {time_text(report.certificates_end)}"
    elif report.ending:
        yield f"{report.ending}; run khgen certs renew"


def _stopped(roll: Roll) -> Iterator[str]:
    for name, slot in sorted(roll.slots.items()):
        if slot.state == "failed":
            reason = f": {slot.message}" if slot.message else ""
            yield f"{name} ({slot.role}) failed at {time_text(slot.since)}{reason}"


def _cluster_differences(
    rendered: Rendered, seen: Snapshot, nodes: tuple[NodeStatus, ...], holders: tuple[str, ...]
) -> Iterator[str]:
    known = rendered.manifest.nodes
    if seen.nodes and not seen.nodes.keys() & known.keys():
        yield f"the cluster has no node of {rendered.out}: is the kubeconfig that of another one?"
    if len(holders) > 1:
        yield f"{' and '.join(holders)} report that they hold the VIP: only one may"
    roll = seen.roll
    with_bundle = [node for node in nodes if node.in_api and known[node.name].update]
    if roll is None:
        if with_bundle and rendered.pull:
            yield f"the cluster has no bundles yet: kubectl apply -f {rendered.out}/update.yaml"
        return
    yield from _channel_differences(rendered.out, roll, with_bundle, known)


def _channel_differences(
    out: str, roll: Roll, nodes: list[NodeStatus], known: Collection[str]
) -> Iterator[str]:
    """Where the bundles that nodes can pull are not those of the output."""
    left = sorted(roll.wanted.keys() - known)
    if left:
        yield f"{out} no longer has {_names(left)}: kubectl apply -f {out}/update.yaml"
    older: list[str] = []
    newer: list[str] = []
    for node in nodes:
        given, wanted = roll.wanted.get(node.name), node.wanted
        if wanted is not None and given != wanted:
            (newer if given is not None and given > wanted else older).append(node.name)
    if older:
        whose = _names(older)
        yield f"{out} has newer bundles for {whose}: kubectl apply -f {out}/update.yaml"
    if newer:
        yield f"the cluster has newer bundles than {out} for {_names(newer)}: render again"


def _window_state(window: Window, now: datetime) -> WindowState:
    """Whether one of the windows around this moment is open, and when that changes."""
    hour, minute = map(int, window.start.split(":"))
    today = now.astimezone(UTC).replace(hour=hour, minute=minute, second=0, microsecond=0)
    length = timedelta(minutes=window.minutes)
    weeks = 1 + length // timedelta(days=7)
    days = (today + timedelta(days=offset) for offset in range(-7 * weeks, 8))
    starts = [day for day in days if _WEEK[day.weekday()] in window.days]
    ends = [start + length for start in starts if start <= now < start + length]
    if ends:
        return WindowState(open=True, until=max(ends))
    return WindowState(open=False, until=min(start for start in starts if start > now))


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def report_values(report: ClusterReport) -> dict[str, object]:
    """The report for programs."""
    window = report.window
    return {
        "cluster": report.cluster,
        "kubernetes": report.kubernetes,
        "asRendered": report.as_rendered,
        "stopped": list(report.stopped),
        "differences": list(report.differences),
        "paused": report.paused,
        "window": None if window is None else {"open": window.open, "until": _iso(window.until)},
        "vip": report.vip,
        "vipHolders": list(report.vip_holders),
        "nodes": [_node_values(node) for node in report.nodes],
        "unknown": list(report.unknown),
    }


def _node_values(node: NodeStatus) -> Mapping[str, object]:
    report, slot = node.report, node.slot
    held = slot and {"generation": slot.generation, "since": _iso(slot.since), "state": slot.state}
    return {
        "name": node.name,
        "role": node.role,
        "found": node.node is not None if node.in_api else None,
        "ready": node.ready if node.node else None,
        "cordoned": node.cordoned,
        "kubelet": node.kubelet or None,
        "apiServer": node.api_server or None,
        "wanted": node.wanted,
        "applied": node.applied,
        "state": report and report.state,
        "line": report.line if report else "",
        "since": _iso(report.since) if report and report.since else None,
        "slot": held,
        "etcd": report and report.etcd,
        "vip": report and report.vip,
        "certificatesEnd": _iso(report.certificates_end)
        if report and report.certificates_end
        else None,
        "differences": list(node.differences),
    }


def _iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
