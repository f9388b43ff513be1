"""`khgen diff`: what a render would change against an output folder."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from khgen.changes.compare import Change, NodeChange, new_node
from khgen.cli.changes_text import Changes, changes_json, changes_lines
from khgen.cli.comparing import Comparison, Held, held_in
from khgen.cli.inputs import (
    Inputs,
    SecretsSource,
    identity_problems,
    now,
    read_inputs,
    read_secrets,
    require_nodes,
)
from khgen.cli.options import (
    READ_SECRETS,
    format_option,
    node_option,
    output_option,
    secrets_option,
    spec_argument,
)
from khgen.cli.outcome import CHANGES, Exit, Report
from khgen.cli.output_folder import read_manifest
from khgen.disk.manifest import NodeEntry, RenderedManifest, budget_findings, node_entry
from khgen.pki.continuity import continuity_findings, founder_findings
from khgen.pki.secrets import plan_with
from khgen.pki.validity import lifetime_findings
from khgen.plan.cluster_plan import Plan
from khgen.problems import Problems, Severity
from khgen.render import ClusterRender, RenderedNode


@click.command()
@spec_argument
@output_option("Folder of the last render; diff only reads it.", "out")
@secrets_option(READ_SECRETS)
@node_option("Compare only this node; repeatable.")
@click.option("-p", "--patch", is_flag=True, help="Show changed lines, except of private files.")
@format_option
def diff(
    spec: Path, output: Path, named: str | None, names: tuple[str, ...], *, patch: bool
) -> None:
    """Show what a render would change, and write nothing.

    Each change has an effect on a cluster that is up: nothing, new machine, reload, restart, drain,
    replace, not possible. Exit code 0: nothing changes, 2: something does; docs/commands.md lists
    the others.
    """
    report = Report()
    inputs = read_inputs(spec, report)
    manifest = read_manifest(output)
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
    """The render to compare; its secrets must be there: new ones would change everything."""
    source = read_secrets(inputs, named, report, must_exist=True)
    plan = plan_with(inputs.spec, source.secrets)
    report.add(inputs.problems(lifetime_findings(plan, source.secrets, now())), {})
    report.add(_refused(inputs, plan, source), {})
    report.stop_if_fatal()
    return ClusterRender(plan, source.secrets, inputs.manifests)


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
    render: ClusterRender, held: Held, names: tuple[str, ...], inputs: Inputs, report: Report
) -> Changes:
    comparison = Comparison(render, held)
    wanted = _wanted(names, render, held.manifest)
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
        out=held.out,
        nodes=(*nodes, *(node for node in comparison.gone() if node.name in wanted)),
        unchanged=tuple(name for name, entry in entries.items() if comparison.stays(name, entry)),
        keys=comparison.keys,
        keys_known=held.spec is not None,
        admin_conf=_admin_conf(held.out, render),
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
