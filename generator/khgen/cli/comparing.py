"""What a render changes in the output folder, and the summary at its end."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    new_node,
    spec_values,
)
from khgen.changes.file_rules import META_DATA, NETWORK_CONFIG, USER_DATA, cloud_config
from khgen.changes.key_rules import Effect, strongest
from khgen.cli.outcome import LISTED_NODES
from khgen.disk.manifest import MANIFEST, UPDATE_YAML, NodeEntry, RenderedManifest
from khgen.disk.rendered_output import load_manifest, load_spec_values, load_tree
from khgen.plan.cluster_plan import NodePlan, Plan
from khgen.problems import Problems
from khgen.render import ClusterRender, RenderedNode

POLICY_KEYS = "updates"
SIGNS = {Change.CHANGED: "~", Change.NEW: "+", Change.GONE: "-"}

COMPARED = 8
"""If more nodes changed than are listed, khgen reads the files of this many of each kind."""
LISTED_FILES = 3
MEANINGS_ARE = "khgen schema --changes lists what each change means, khgen diff shows it beforehand"


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

    def updates(self, name: str, entry: NodeEntry) -> bool:
        """Whether the node of this entry has another update than in the output."""
        old = self._held.manifest.nodes.get(name)
        held = None if old is None else old.update
        return old is not None and (held is None or held.sha256 != entry["update"]["sha256"])

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """The number of nodes of a role that are new, gone or changed, with one effect."""

    role: str
    change: Change
    count: int
    effect: Effect


class Closing:
    """The comparison at the end of a render: cheap, because it reads the files of few nodes."""

    def __init__(self, render: ClusterRender, out: Path) -> None:
        """A comparison of that render with what `out` holds."""
        self._render = render
        self._out = out
        self.fault = ""
        """Why nothing could be compared; empty if it could."""
        self.known = False
        """Whether there was an output."""
        self.nodes: tuple[NodeChange, ...] = ()
        """The changed nodes, if they are few enough to list."""
        self.sums: tuple[Sum, ...] = ()
        self._rolls = False

    @property
    def plan(self) -> Plan:
        """The plan that was rendered."""
        return self._render.plan

    def compare(self, entries: Mapping[str, NodeEntry]) -> None:
        """Compare while the old output is still there; a damaged one is no reason to fail."""
        if not (self._out / MANIFEST).exists():
            return
        self.known = True
        try:
            self._compare(entries)
        except (OSError, ValueError) as error:
            self.fault = str(error)

    def lines(self) -> Iterator[str]:
        """The lines for the user; none if there was no output."""
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
        if self._rolls:
            yield from update_lines(self.plan, self._out)
            yield MEANINGS_ARE

    def plain(self) -> list[dict[str, object]] | None:
        """The sums for programs; None if nothing could be compared."""
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
        updated = (comparison.updates(plan.name, entries[plan.name]) for plan in changed)
        self._rolls = any(updated) or changes_policy(comparison.keys)

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


def changes_policy(keys: Iterable[KeyChange]) -> bool:
    """Whether the changed keys change what update.yaml says about the order of updates."""
    return any(key.key.startswith(POLICY_KEYS) for key in keys)


def update_lines(plan: Plan, out: Path) -> Iterator[str]:
    """How machines that are up get what changed."""
    pulls = plan.spec.updates.pull
    yield "machines that are up update in turn after:" if pulls else "the order of updates:"
    yield f"  kubectl --kubeconfig {out}/admin.conf apply -f {out}/{UPDATE_YAML}"
    if not pulls or not all(node.joins_kubernetes for node in plan.nodes):
        whose = "etcd and load-balancer hosts get" if pulls else "machines that are up get"
        yield f"{whose} their updates by seeds and a reboot: khgen seed {out} --update"


def _some(plans: Sequence[NodePlan], *, few: bool) -> Iterator[NodePlan]:
    """All nodes if they are few, else some of each kind: nodes of a kind mostly change alike."""
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


def summary(closing: Closing, entries: Mapping[str, NodeEntry], output: Path | None) -> str:
    """What was rendered (or could be, without an output folder), its sizes, and the next step."""
    plan, whose = closing.plan, "each new machine" if closing.known else "each machine"
    what = f"{len(entries)} nodes of {plan.spec.metadata.name} (Kubernetes {plan.version})"
    if output is None:
        return f"{what} can be rendered; nothing was written"
    table = _largest(entries) if len(entries) > LISTED_NODES else _table(plan, entries)
    return (
        f"rendered {what} into {output}/\n\n{table}\n\n"
        f"next: give {whose} its user-data and meta-data from {output}/nodes/<name>/,\n"
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


def _largest(entries: Mapping[str, NodeEntry]) -> str:
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
