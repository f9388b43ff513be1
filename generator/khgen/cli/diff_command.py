"""`khgen diff`: what a render would change against an output folder."""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import click

from khgen.changes.compare import Change, FileChange, KeyChange, NodeChange, new_node, patch_lines
from khgen.changes.key_rules import MEANINGS, Effect, KeyRule
from khgen.cli.comparing import SIGNS, Comparison, Held, changes_policy, held_in, update_lines
from khgen.cli.inputs import Inputs, now, read_inputs, rendered_manifest, require_nodes
from khgen.cli.outcome import CHANGES, LISTED_NODES, Exit, Report
from khgen.cli.secrets_source import SecretsSource, identity_problems, read_secrets
from khgen.disk.budget import budget_findings
from khgen.disk.manifest import NodeEntry, RenderedManifest, held_updates, node_entry
from khgen.pki.continuity import continuity_findings, founder_findings
from khgen.pki.lifetime import lifetime_findings
from khgen.pki.secrets import plan_with
from khgen.plan.cluster_plan import Plan
from khgen.problems import Problems, Severity
from khgen.render import ClusterRender, ClusterUpdates, RenderedNode

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
_STRONG = {Effect.REPLACE: "yellow", Effect.DRAIN: "yellow", Effect.NOT_POSSIBLE: "red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All that a render would change in an output folder."""

    out: Path
    nodes: tuple[NodeChange, ...]
    unchanged: tuple[str, ...]
    keys: tuple[KeyChange, ...]
    keys_known: bool
    """Whether the output has the spec that it was rendered from."""
    admin_conf: Change | None
    rolls: bool
    """Whether update.yaml changes."""
    following: tuple[str, ...]
    """How machines that are up get the changes."""

    @property
    def any(self) -> bool:
        """Whether there is any change to report."""
        return bool(self.nodes or self.keys or self.admin_conf)

    @property
    def rules(self) -> Mapping[str, KeyRule]:
        """The rule of each changed key; one for a key that several nodes have."""
        return {key.key: key.rule for key in self.keys}


def changes_lines(changes: Changes, *, patch: bool) -> Iterator[str]:
    """The report for people: a block for each node, then what the keys and effects mean."""
    for node in changes.nodes:
        yield from _node_lines(node, patch=patch)
        yield ""
    if changes.admin_conf is not None:
        yield f"{SIGNS[changes.admin_conf]} {changes.out}/admin.conf, your kubeconfig"
        yield ""
    yield from _key_lines(changes)
    yield from _effect_lines(changes)
    if changes.rolls:
        yield f"once rendered into {changes.out}/:"
        yield from changes.following
        yield ""
    if changes.unchanged or not changes.any:
        yield _unchanged_line(changes)


def changes_json(changes: Changes, *, patch: bool) -> dict[str, object]:
    """The report for programs."""
    return {
        "output": str(changes.out),
        "changes": changes.any,
        "nodes": [_node_json(node, patch=patch) for node in changes.nodes],
        "unchanged": list(changes.unchanged),
        "keysKnown": changes.keys_known,
        "keys": [
            {"key": key, "effect": rule.effect, "concerns": rule.concerned, "means": rule.means}
            for key, rule in changes.rules.items()
        ],
        "adminConf": changes.admin_conf,
    }


def _node_lines(node: NodeChange, *, patch: bool) -> Iterator[str]:
    if node.change is Change.GONE:
        yield f"{node.name}: gone from the spec; its machine is left as it is"
        yield "  khgen node remove records that it left the cluster"
        return
    reason = ", it joins with a fresh identity" if node.replaced else ""
    new = ", not in the output yet" if node.change is Change.NEW else ""
    yield f"{_coloured(node.name, 'bold')}: {_effect(node.effect)}{reason}{new}"
    if node.keys:
        yield f"  for {', '.join(key.path for key in node.keys)}"
    width = max((len(file.path) for file in node.files), default=0)
    for file in node.files:
        yield f"  {SIGNS[file.change]} {file.path.ljust(width)}  {file.effect}: {file.rule.what}"
        if patch:
            yield from (f"    {_patch_coloured(line)}" for line in patch_lines(node.name, file))


def _key_lines(changes: Changes) -> Iterator[str]:
    if not changes.keys_known:
        yield f"{changes.out}/ has no spec.json, so the changed keys of the spec are not known"
        yield ""
    for key, rule in changes.rules.items():
        yield f"{key} ({_effect(rule.effect)}, {rule.concerned})"
        yield f"  {rule.means}"
    if changes.keys:
        yield ""


def _effect_lines(changes: Changes) -> Iterator[str]:
    shown = {node.effect for node in changes.nodes if node.change is Change.CHANGED}
    for effect in Effect:
        if effect in shown:
            yield f"{effect}: {MEANINGS[effect]}"
    if shown:
        yield ""


def _unchanged_line(changes: Changes) -> str:
    if not changes.any:
        return f"nothing changes against {changes.out}/"
    count, shown = len(changes.unchanged), changes.unchanged[:LISTED_NODES]
    names = ", ".join(shown) + (" and others" if count > LISTED_NODES else "")
    return f"unchanged: {count} {'node' if count == 1 else 'nodes'} ({names})"


def _node_json(node: NodeChange, *, patch: bool) -> dict[str, object]:
    return {
        "name": node.name,
        "role": node.role,
        "change": node.change,
        "effect": None if node.change is Change.GONE else node.effect,
        "replaced": node.replaced,
        "keys": [key.path for key in node.keys],
        "files": [_file_json(node, file, patch=patch) for file in node.files],
    }


def _file_json(node: NodeChange, file: FileChange, *, patch: bool) -> dict[str, object]:
    plain: dict[str, object] = {
        "path": file.path,
        "change": file.change,
        "effect": file.effect,
        "what": file.rule.what,
        "private": file.private,
    }
    return plain | ({"patch": list(patch_lines(node.name, file))} if patch else {})


def _effect(effect: Effect) -> str:
    return _coloured(effect, _STRONG[effect]) if effect in _STRONG else effect.value


def _patch_coloured(line: str) -> str:
    return _coloured(line, _COLOURS[line[0]]) if line[:1] in _COLOURS else line


def _coloured(text: str, style: str) -> str:
    """The text in colour; click removes colours where there is no terminal."""
    if "NO_COLOR" in os.environ:
        return text
    return click.style(text, bold=True) if style == "bold" else click.style(text, fg=style)


def print_changes(
    spec: Path, output: Path, named: str | None, names: tuple[str, ...], *, patch: bool
) -> None:
    """Print what a render would change in the output folder; ends the command with 2 if there is any."""
    report = Report()
    inputs = read_inputs(spec, report)
    manifest = rendered_manifest(output)
    render = _render(inputs, named, report)
    changes = _changes(render, held_in(output, manifest), names, inputs, report)
    code = CHANGES if changes.any else Exit.DONE
    if report.run.as_json:
        report.print_json(changes_json(changes, patch=patch), code)
    else:
        report.show(closing=True)
        click.echo("\n".join(changes_lines(changes, patch=patch)))
    sys.exit(code)


def _render(inputs: Inputs, named: str | None, report: Report) -> ClusterRender:
    """The render to compare; its secrets must exist, since new ones would change everything."""
    source = read_secrets(inputs, named, report, must_exist=True)
    plan = plan_with(inputs.spec, source.secrets)
    report.add(inputs.problems(lifetime_findings(plan, source.secrets, now())), {})
    report.add(_refused(inputs, plan, source), {})
    report.stop_if_fatal()
    return ClusterRender(plan, source.secrets, inputs.manifests)


def _refused(inputs: Inputs, plan: Plan, source: SecretsSource) -> Problems:
    """What contradicts the recorded cluster: an error in a render, here a warning beside its effect."""
    secrets = source.secrets
    found = (
        *identity_problems(inputs, source),
        *inputs.problems(founder_findings(inputs.spec, secrets)),
        *inputs.problems(continuity_findings(plan, secrets)),
    )
    return Problems.of(replace(problem, severity=Severity.WARNING) for problem in found)


def _changes(
    render: ClusterRender, held: Held, names: tuple[str, ...], inputs: Inputs, report: Report
) -> Changes:
    comparison = Comparison(render, held)
    wanted = _wanted(names, render, held.manifest)
    nodes: list[NodeChange] = []
    entries: dict[str, NodeEntry] = {}
    updates = ClusterUpdates(render, held_updates(held.manifest), now())
    for node in render.plan.nodes:
        if node.name in wanted:
            rendered = render.node(node)
            entries[node.name] = node_entry(rendered, updates.bundle(rendered))
            nodes += _node_changes(comparison, rendered, entries[node.name], report)
    report.add(inputs.problems(budget_findings(render, entries)), {})
    report.stop_if_fatal()
    return Changes(
        out=held.out,
        nodes=(*nodes, *(node for node in comparison.gone() if node.name in wanted)),
        unchanged=tuple(name for name, entry in entries.items() if comparison.stays(name, entry)),
        keys=comparison.keys,
        keys_known=held.spec is not None,
        admin_conf=_admin_conf(held.out, render),
        rolls=any(comparison.updates(*entry) for entry in entries.items())
        or changes_policy(comparison.keys),
        following=tuple(update_lines(render.plan, held.out)),
    )


def _node_changes(
    comparison: Comparison, rendered: RenderedNode, entry: NodeEntry, report: Report
) -> Iterator[NodeChange]:
    node = rendered.node
    if not comparison.knows(node.name):
        yield new_node(node.name, node.role)
    elif not comparison.stays(node.name, entry):
        change, problems = comparison.changed(rendered)
        report.add(problems, {})
        yield change


def _wanted(
    names: tuple[str, ...], render: ClusterRender, manifest: RenderedManifest
) -> frozenset[str]:
    known = {**render.plan.by_name, **manifest.nodes}
    require_nodes(names, known, "the spec or in the output")
    return frozenset(names or known)


def _admin_conf(out: Path, render: ClusterRender) -> Change | None:
    try:
        before = (out / "admin.conf").read_bytes()
    except FileNotFoundError:
        return Change.NEW
    return None if before == render.admin_conf().encode() else Change.CHANGED
