"""The render behind `khgen render`, stage by stage, and what it tells the user."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from khgen.cli.closing import Closing
from khgen.cli.inputs import (
    Inputs,
    SecretsSource,
    identity_problems,
    now,
    read_inputs,
    read_secrets,
    require_nodes,
    secrets_path,
)
from khgen.cli.lost_secrets import lost_secrets
from khgen.cli.outcome import Report, wrote
from khgen.cli.recording import SecretsAppearedError, founders_line, keep_new, record, unrecorded
from khgen.cli.rendered import refuse_inside
from khgen.cli.summary import summary
from khgen.disk.manifest import NodeEntry, budget_findings
from khgen.disk.private_file import STANDARD_INPUT
from khgen.disk.publish import OverBudgetError, Progress, Settle, dry_run, publish
from khgen.disk.rendered_output import held_cluster
from khgen.disk.spec_file import text_files
from khgen.pki.continuity import continuity_findings, founder_findings
from khgen.pki.secrets import founding_nodes, plan_with
from khgen.pki.validity import lifetime_findings
from khgen.plan.cluster_plan import NodePlan
from khgen.render import ClusterRender

PROGRESS_FROM = 500
"""Smaller clusters are done before a progress bar could be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest:
    """What the user asked for."""

    spec: Path
    output: Path
    check: bool
    """Whether nothing is written at all."""
    secrets: str | None
    names: tuple[str, ...]
    rootfs: bool
    """Whether each node's whole tree is written too."""
    strict: bool


def run_render(request: RenderRequest) -> None:
    """Render, write, and tell."""
    try:
        _render(request)
    except SecretsAppearedError:
        _render(request)


def _render(request: RenderRequest) -> None:
    report = Report(strict=request.strict)
    inputs = read_inputs(request.spec, report)
    _refuse_inputs_inside(request, inputs)
    source = _secrets(request, inputs, report)
    secrets = source.secrets
    plan = plan_with(inputs.spec, secrets)
    report.add(inputs.problems(lifetime_findings(plan, secrets, now())), {})
    report.add(inputs.problems(continuity_findings(plan, secrets)), {})
    report.stop_if_fatal()
    cluster = ClusterRender(plan, secrets, inputs.manifests)
    nodes = _chosen(cluster, request.names)
    closing = Closing(cluster, request.output)

    def settle(entries: Mapping[str, NodeEntry]) -> None:
        closing.compare(entries)
        keep_new(source)

    with _progress(len(nodes)) as progress:
        entries = _rendered(request, cluster, nodes, progress, settle)
    report.add(inputs.problems(budget_findings(cluster, entries)), {})
    report.stop_if_fatal()
    if not request.check:
        wrote(request.output)
        report.add(record(inputs, source), {})
    _tell(request, closing, entries, source, report)


def _refuse_inputs_inside(request: RenderRequest, inputs: Inputs) -> None:
    """The output is replaced whole: what it is made from must be elsewhere."""
    assert inputs.loaded.spec is not None, "a spec that was read is a spec"  # noqa: S101
    files = [inputs.file.folder / name for name in text_files(inputs.loaded.spec)]
    if inputs.file.file is not None:
        files += [request.spec, inputs.file.file]
    secrets = secrets_path(inputs, request.secrets)
    if secrets != STANDARD_INPUT:
        files.append(secrets)
    refuse_inside(request.output, files)


def _secrets(request: RenderRequest, inputs: Inputs, report: Report) -> SecretsSource:
    """The cluster's secrets, if the spec does not contradict them."""
    # Asked before the secrets file is read: another first render makes that one before its output.
    missing = not os.path.lexists(secrets_path(inputs, request.secrets))
    held = held_cluster(request.output) if missing else None
    source = read_secrets(inputs, request.secrets, report)
    if source.fresh:
        name = inputs.spec.metadata.name
        report.add(lost_secrets(request.spec, name, source.path, request.output, held), {})
    report.add(identity_problems(inputs, source), {})
    report.add(inputs.problems(founder_findings(inputs.spec, source.secrets)), {})
    if not request.check:
        report.add(unrecorded(inputs, source), {})
    return source


def _chosen(cluster: ClusterRender, names: tuple[str, ...]) -> tuple[NodePlan, ...]:
    require_nodes(names, cluster.plan.by_name, "the spec")
    if not names:
        return cluster.plan.nodes
    return tuple(node for node in cluster.plan.nodes if node.name in names)


def _rendered(
    request: RenderRequest,
    cluster: ClusterRender,
    nodes: tuple[NodePlan, ...],
    progress: Progress,
    settle: Settle,
) -> Mapping[str, NodeEntry]:
    try:
        if request.check:
            return dry_run(cluster, nodes, progress)
        return publish(cluster, request.output, nodes, progress, settle, rootfs=request.rootfs)
    except OverBudgetError as error:
        return error.entries


@contextmanager
def _progress(nodes: int) -> Iterator[Progress]:
    """A bar on the terminal where the render is long enough to be watched."""
    if nodes < PROGRESS_FROM or not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=nodes, label="rendering", file=sys.stderr) as bar:
        yield bar.update


def _tell(
    request: RenderRequest,
    closing: Closing,
    entries: Mapping[str, NodeEntry],
    source: SecretsSource,
    report: Report,
) -> None:
    output = None if request.check else request.output
    created = source.fresh and not request.check
    founders = founding_nodes(source.secrets)
    if report.run.as_json:
        report.print_json(
            {
                "output": None if output is None else str(output),
                "secrets": {"path": str(source.path), "created": created},
                "founders": {"names": founders, "fixed": created},
                "nodes": dict(entries),
                "changes": closing.plain(),
            }
        )
        return
    report.show(closing=output is None)
    click.echo("\n".join((summary(closing.plan, entries, output), *closing.lines())))
    if created:
        click.echo(
            f"\ncreated {source.path} (0600): the cluster's identity, to be kept and kept secret\n"
            f"{founders_line(source.secrets, request.spec)}"
        )
    elif str(source.path) in report.run.wrote:
        click.echo(f"\nextended {source.path}: it records the identity and version of this render")
