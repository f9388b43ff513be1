"""The fault table of updates: where a host loses its power while it is updated."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from khgen.plan.cluster_plan import NodeKind, build_plan, founders_of
from khgen.plan.steps import all_steps_of
from khgen.rehearse.rehearsed_spec import rehearsed
from support.rolls import numbered_spec

COUNTS: Mapping[str, int] = {"cp": 3, "w": 2}
WAITING = "while it waits for its slot"
DRAINING = "while pods leave"
PLACING = "while its files are placed"
RETURNING = "before it gives its slot back"
MOMENTS = (WAITING, DRAINING, PLACING, RETURNING)
"""In place of a step."""
ROLES: Mapping[str, tuple[NodeKind, str]] = {
    "control plane": (NodeKind.FOUNDER, "cp"),
    "worker": (NodeKind.WORKER, "w"),
}
"""What the roles are called, their kinds of nodes, and how their hosts' names begin."""
FIRST = "update-restore"
"""It runs in the first update, and later only where kubeadm was interrupted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCase:
    """A power cut, and when."""

    role: str
    at: str
    """The file name of a step, or a moment."""

    @property
    def name(self) -> str:
        """As the page calls it."""
        return f"update: {self.role} {self.at if self.at in MOMENTS else f'at {self.at}'}"


def update_cases() -> tuple[UpdateCase, ...]:
    """The whole table."""
    return tuple(
        UpdateCase(role=role, at=at)
        for role, (kind, _) in ROLES.items()
        for at in (*_living_steps(kind), *MOMENTS)
    )


def _living_steps(kind: NodeKind) -> list[str]:
    spec = rehearsed(numbered_spec(COUNTS, 0)).spec
    steps = all_steps_of(build_plan(spec, founders_of(spec)), kind)
    names = [step.file_name for step in steps if step.living]
    return sorted(names, key=lambda name: not name.endswith(FIRST))


def rounds(cases: Iterable[UpdateCase], hosts: Sequence[str]) -> Iterator[Mapping[str, UpdateCase]]:
    """Cases that are played in one roll: at most one for each host, in its turn."""
    left = {role: deque(case for case in cases if case.role == role) for role in ROLES}
    while any(left.values()):
        yield {
            host: left[role].popleft()
            for role, (_, begins) in ROLES.items()
            for host in hosts
            if host.rstrip("0123456789") == begins and left[role]
        }
