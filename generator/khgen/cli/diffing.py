"""The comparison behind `khgen diff`, and what it tells the user."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click

from khgen.changes.compare import Change, NodeChange, new_node
from khgen.cli.changes_text import Changes, changes_json, changes_lines
from khgen.cli.comparing import Comparison, held_in
from khgen.cli.inputs import (
    Inputs,
    SecretsSource,
    identity_problems,
    now,
    read_inputs,
    read_secrets,
    require_nodes,
)
from khgen.cli.outcome import CHANGES, Exit, Report
from khgen.cli.rendered import read_manifest
from khgen.disk.manifest import NodeEntry, budget_findings, node_entry
from khgen.disk.rendered_manifest import RenderedManifest
from khgen.pki.continuity import continuity_findings, founder_findings
from khgen.pki.secrets import plan_with
from khgen.pki.validity import lifetime_findings
from khgen.plan.cluster_plan import Plan
from khgen.problems import Problems, Severity
from khgen.render import ClusterRender, RenderedNode


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffRequest:
    """What the user asked for."""

    spec: Path
    output: Path
    secrets: str | None
    names: tuple[str, ...]
    patch: bool


def run_diff(request: DiffRequest) -> None:
    """Compare, and tell; ends the command with 2 if something changes."""
    report = Report()
    inputs = read_inputs(request.spec, report)
    manifest = read_manifest(request.output)
    source = _secrets(request, inputs, report)
    secrets = source.secrets
    plan = plan_with(inputs.spec, secrets)
    report.add(inputs.problems(lifetime_findings(plan, secrets, now())), {})
    report.add(_refused(inputs, plan, source), {})
    report.stop_if_fatal()
    render = ClusterRender(plan, secrets, inputs.manifests)
    changes = _changes(request, render, manifest, inputs, report)
    code = CHANGES if changes.any else Exit.DONE
    if report.run.as_json:
        report.print_json(changes_json(changes, patch=request.patch), code)
    else:
        report.show(closing=True)
        click.echo("\n".join(changes_lines(changes, patch=request.patch)))
    sys.exit(code)


def _secrets(request: DiffRequest, inputs: Inputs, report: Report) -> SecretsSource:
    """The cluster's secrets, which must be there: new ones would change everything."""
    return read_secrets(inputs, request.secrets, report, must_exist=True)


def _refused(inputs: Inputs, plan: Plan, source: SecretsSource) -> Problems:
    """What a render finds against the recorded cluster: only warnings here, for it has its effect."""
    secrets = source.secrets
    found = (
        *identity_problems(inputs, source),
        *inputs.problems(founder_findings(inputs.spec, secrets)),
        *inputs.problems(continuity_findings(plan, secrets)),
    )
    return Problems.of(replace(problem, severity=Severity.WARNING) for problem in found)


def _changes(
    request: DiffRequest,
    render: ClusterRender,
    manifest: RenderedManifest,
    inputs: Inputs,
    report: Report,
) -> Changes:
    held = held_in(request.output, manifest)
    comparison = Comparison(render, held)
    wanted = _wanted(request.names, render, manifest)
    nodes: list[NodeChange] = []
    entries: dict[str, NodeEntry] = {}
    for node in render.plan.nodes:
        if node.name in wanted:
            rendered = render.node(node)
            entries[node.name] = node_entry(rendered)
            nodes += _node_changes(comparison, rendered, entries[node.name], report)
    report.add(inputs.problems(budget_findings(render, entries)), {})
    report.stop_if_fatal()
    return Changes(
        out=request.output,
        nodes=(*nodes, *(node for node in comparison.gone() if node.name in wanted)),
        unchanged=tuple(name for name, entry in entries.items() if comparison.stays(name, entry)),
        keys=comparison.keys,
        keys_known=held.spec is not None,
        admin_conf=_admin_conf(request.output, render),
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
