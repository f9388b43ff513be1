"""The render behind `khgen render`, stage by stage, and what it tells the user."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from khgen.cli.closing import Closing
from khgen.cli.inputs import Inputs, SecretsSource, now, read_inputs, read_secrets
from khgen.cli.outcome import Report
from khgen.cli.summary import LISTED_NODES, summary
from khgen.manifest import NodeEntry, budget_findings
from khgen.pki.validity import lifetime_findings
from khgen.plan.build import build_plan
from khgen.plan.model import NodePlan
from khgen.publish import OverBudgetError, Progress, dry_run, publish
from khgen.render import ClusterRender

PROGRESS_FROM = 500
"""Smaller clusters are done before a progress bar could be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest:
    """What the user asked for; without an output folder nothing is written at all."""

    spec: Path
    output: Path | None
    secrets: str | None
    names: tuple[str, ...]
    strict: bool
    as_json: bool


def run_render(request: RenderRequest) -> None:
    """Render, write, and tell."""
    report = Report(strict=request.strict, as_json=request.as_json)
    inputs = read_inputs(request.spec, report)
    source = read_secrets(inputs, request.secrets, report, create=request.output is not None)
    plan = build_plan(inputs.spec, source.secrets.founders, source.secrets.replaced)
    report.add(inputs.problems(lifetime_findings(plan, source.secrets, now())), {})
    report.stop_if_fatal()
    cluster = ClusterRender(plan, source.secrets, inputs.manifests)
    nodes = _chosen(cluster, request.names)
    closing = None if request.output is None else Closing(cluster, request.output)
    entries = _rendered(request, cluster, nodes, inputs, report, closing=closing)
    _tell(request, cluster, entries, source, report, closing=closing)


def _chosen(cluster: ClusterRender, names: tuple[str, ...]) -> tuple[NodePlan, ...]:
    unknown = [name for name in names if name not in cluster.plan.by_name]
    if unknown:
        known = ", ".join(list(cluster.plan.by_name)[:LISTED_NODES])
        message = f"no node '{unknown[0]}' in the spec; there are: {known}"
        raise click.UsageError(message)
    if not names:
        return cluster.plan.nodes
    return tuple(node for node in cluster.plan.nodes if node.name in names)


def _rendered(  # noqa: PLR0913 - the stages before it
    request: RenderRequest,
    cluster: ClusterRender,
    nodes: tuple[NodePlan, ...],
    inputs: Inputs,
    report: Report,
    *,
    closing: Closing | None,
) -> Mapping[str, NodeEntry]:
    with _progress(len(nodes)) as progress:
        try:
            if request.output is None or closing is None:
                entries = dry_run(cluster, nodes, progress)
            else:
                entries = publish(cluster, request.output, nodes, progress, closing.compare)
        except OverBudgetError as error:
            entries = error.entries
    report.add(inputs.problems(budget_findings(cluster, entries)), {})
    report.stop_if_fatal()
    return entries


@contextmanager
def _progress(nodes: int) -> Iterator[Progress]:
    """A bar on the terminal where the render is long enough to be watched."""
    if nodes < PROGRESS_FROM or not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=nodes, label="rendering", file=sys.stderr) as bar:
        yield bar.update


def _tell(  # noqa: PLR0913 - the stages before it
    request: RenderRequest,
    cluster: ClusterRender,
    entries: Mapping[str, NodeEntry],
    source: SecretsSource,
    report: Report,
    *,
    closing: Closing | None,
) -> None:
    output = request.output
    if request.as_json:
        report.print_json(
            {
                "written": output is not None,
                "output": None if output is None else str(output),
                "secrets": {"path": str(source.path), "created": source.created},
                "nodes": dict(entries),
                "changes": None if closing is None else closing.plain(),
            }
        )
        return
    report.show(written=output is not None)
    click.echo(summary(cluster.plan, entries, output))
    for line in () if closing is None else closing.lines():
        click.echo(line)
    if source.created:
        click.echo(
            f"\ncreated {source.path} (0600): the cluster's identity, to be kept and kept secret"
        )
