"""How `khgen render` ends: what it changed against what the output folder held before."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from khgen.changes.compare import Change, NodeChange, concerning, new_node
from khgen.changes.rules import Effect, strongest
from khgen.cli.changes_text import SIGNS
from khgen.cli.comparing import Comparison, held_in
from khgen.cli.summary import LISTED_NODES
from khgen.disk.manifest import MANIFEST, NodeEntry
from khgen.disk.rendered_output import load_manifest
from khgen.plan.cluster_plan import NodePlan, Plan
from khgen.render import ClusterRender

COMPARED = 8
"""So many nodes of a kind have their files read where more changed than are listed."""
LISTED_FILES = 3
NOT_SEEN = (
    "machines that are up see none of this until they get their new seed and reboot, or are\n"
    "replaced; khgen schema --changes lists what each change means, khgen diff shows it beforehand"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """Nodes of a role that all came, went or changed."""

    role: str
    change: Change
    count: int
    effect: Effect


class Closing:
    """The comparison at the end of a render: cheap, for it reads the files of a few nodes only."""

    def __init__(self, render: ClusterRender, out: Path) -> None:
        """A comparison of that render with what `out` holds."""
        self._render = render
        self._out = out
        self.fault = ""
        """Why nothing could be compared, if so."""
        self.known = False
        """Whether there was an output."""
        self.nodes: tuple[NodeChange, ...] = ()
        """What changed, if no more than are listed."""
        self.sums: tuple[Sum, ...] = ()

    @property
    def plan(self) -> Plan:
        """The plan that was rendered."""
        return self._render.plan

    def compare(self, entries: Mapping[str, NodeEntry]) -> None:
        """Compare while the old output is still there; that it is damaged is no reason to fail."""
        if not (self._out / MANIFEST).exists():
            return
        self.known = True
        try:
            self._compare(entries)
        except (OSError, ValueError) as error:
            self.fault = str(error)

    def lines(self) -> Iterator[str]:
        """What the user is told; nothing where there was no output."""
        if not self.known:
            return
        yield ""
        if self.fault:
            yield f"what {self._out}/ held before could not be compared: {self.fault}"
        elif not self.sums:
            yield f"no node changed against what {self._out}/ held"
        else:
            yield f"changed against what {self._out}/ held:"
            yield from map(_node_line, self.nodes) if self.nodes else map(_sum_line, self.sums)
        if any(part.change is Change.CHANGED for part in self.sums):
            yield NOT_SEEN

    def plain(self) -> list[dict[str, object]] | None:
        """The sums for programs; None where nothing could be compared."""
        if self.fault or not self.known:
            return None
        return [
            {"role": s.role, "change": s.change, "nodes": s.count, "effect": s.effect}
            for s in self.sums
        ]

    def _compare(self, entries: Mapping[str, NodeEntry]) -> None:
        loaded = load_manifest(self._out)
        if loaded.manifest is None:
            raise ValueError(next(iter(loaded.problems)).message)
        comparison = Comparison(self._render, held_in(self._out, loaded.manifest))
        by_name = self._render.plan.by_name
        plans = [by_name[name] for name in entries if not comparison.stays(name, entries[name])]
        changed = [plan for plan in plans if comparison.knows(plan.name)]
        others = [new_node(p.name, p.role) for p in plans if not comparison.knows(p.name)]
        others += comparison.gone()
        few = len(changed) + len(others) <= LISTED_NODES
        compared = [self._node(comparison, plan) for plan in _some(changed, few=few)]
        if few:
            order = {name: number for number, name in enumerate(by_name)}
            self.nodes = tuple(
                sorted((*compared, *others), key=lambda node: order.get(node.name, len(order)))
            )
        self.sums = (*self._changed_sums(comparison, changed, compared), *_sums(others))

    def _node(self, comparison: Comparison, plan: NodePlan) -> NodeChange:
        change, problems = comparison.changed(self._render.node(plan))
        for problem in problems:
            message = f"{problem.place.file}: {problem.message}"
            raise ValueError(message)
        return change

    def _changed_sums(
        self, comparison: Comparison, plans: Sequence[NodePlan], compared: Sequence[NodeChange]
    ) -> Iterator[Sum]:
        roles = {plan.role for plan in self._render.plan.nodes}
        for role, count in Counter(plan.role for plan in plans).items():
            effects = [node.effect for node in compared if node.role == role]
            effects += [
                key.rule.effect
                for plan in plans
                if plan.role is role
                for key in concerning(comparison.keys, plan.name, role, roles)
            ]
            effect = strongest(effects)
            yield Sum(role=role, change=Change.CHANGED, count=count, effect=effect)


def _some(plans: Sequence[NodePlan], *, few: bool) -> Iterator[NodePlan]:
    """All of a few, or some of each kind: nodes of a kind mostly change alike."""
    seen: Counter[str] = Counter()
    for plan in plans:
        seen[plan.kind] += 1
        if few or seen[plan.kind] <= COMPARED:
            yield plan


def _sums(nodes: Sequence[NodeChange]) -> Iterator[Sum]:
    counts = Counter((node.role, node.change, node.effect) for node in nodes)
    for (role, change, effect), count in counts.items():
        yield Sum(role=role, change=change, count=count, effect=effect)


def _node_line(node: NodeChange) -> str:
    if node.change is Change.GONE:
        return f"  {SIGNS[node.change]} {node.name}: gone from the spec"
    files = [file.path for file in node.files]
    more = f" and {len(files) - LISTED_FILES} more" if len(files) > LISTED_FILES else ""
    shown = f" ({', '.join(files[:LISTED_FILES])}{more})" if files else ""
    return f"  {SIGNS[node.change]} {node.name}: {node.effect}{shown}"


def _sum_line(part: Sum) -> str:
    what = "gone from the spec" if part.change is Change.GONE else part.effect
    return f"  {SIGNS[part.change]} {part.count:,} of role {part.role}: {what}"
