"""Updates of machines that run: a window that opens, and pods that have somewhere to go."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from khgen.problems import Finding, Severity
from khgen.spec.check.rule import ROLES, Check
from khgen.spec.model import ClusterSpec, NodeRole
from khgen.spec.model.values import duration_text

UPDATES = ("updates",)
WINDOW = (*UPDATES, "window")
SHORTEST_WINDOW, LONGEST_WINDOW = timedelta(minutes=5), timedelta(hours=24)
"""A node asks every minute. A longer window would open again before it closes."""
SHORTEST_DRAIN, LONGEST_DRAIN = timedelta(seconds=10), timedelta(hours=24)


def window_length(spec: ClusterSpec) -> Iterator[Finding]:
    """A window that is too short for a node to see it, too long, or not of whole minutes."""
    window = spec.updates.window
    if window is None:
        return
    if not SHORTEST_WINDOW <= window.length <= LONGEST_WINDOW:
        message = (
            f"a window of {duration_text(window.length)} is not between"
            f" {duration_text(SHORTEST_WINDOW)} and {duration_text(LONGEST_WINDOW)}"
        )
        hint = "use 4h; for updates at any time, remove updates.window"
        yield Finding(path=(*WINDOW, "length"), message=message, hint=hint)
    elif window.length % timedelta(minutes=1):
        message = f"a window of {duration_text(window.length)} is not of whole minutes"
        yield Finding(path=(*WINDOW, "length"), message=message, hint="leave out the seconds")


def window_days(spec: ClusterSpec) -> Iterator[Finding]:
    """A day that is listed twice."""
    window = spec.updates.window
    counts = Counter(() if window is None else window.days)
    for day, count in counts.items():
        if count > 1:
            message = f"'{day}' is listed {count} times"
            yield Finding(path=(*WINDOW, "days"), message=message, hint="list each day once")


def drain_timeout(spec: ClusterSpec) -> Iterator[Finding]:
    """A bound in which no pod can leave, or one that is none."""
    bound = spec.updates.drain_timeout
    if not SHORTEST_DRAIN <= bound <= LONGEST_DRAIN:
        message = (
            f"drainTimeout of {duration_text(bound)} is not between"
            f" {duration_text(SHORTEST_DRAIN)} and {duration_text(LONGEST_DRAIN)}"
        )
        yield Finding(path=(*UPDATES, "drainTimeout"), message=message, hint="use 5m")


def all_workers_at_once(spec: ClusterSpec) -> Iterator[Finding]:
    """Pods that have no worker to go to while all are drained."""
    workers = sum(node.role is NodeRole.WORKER for node in spec.nodes)
    most = spec.updates.max_unavailable
    if 1 < workers <= most:
        message = f"maxUnavailable of {most} lets all {workers} workers be drained at the same time"
        hint = f"use {workers - 1} or less"
        path = (*UPDATES, "maxUnavailable")
        yield Finding(path=path, message=message, hint=hint, severity=Severity.WARNING)


CHECKS = (
    Check(find=window_length, reads=(WINDOW,)),
    Check(find=window_days, reads=(WINDOW,)),
    Check(find=drain_timeout, reads=((*UPDATES, "drainTimeout"),)),
    Check(find=all_workers_at_once, reads=((*UPDATES, "maxUnavailable"), ROLES)),
)
