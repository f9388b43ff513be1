"""`khgen render`: from cluster.yaml and the secrets file to the output folder."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from khgen.cli.comparing import Closing, summary
from khgen.cli.inputs import Inputs, chosen_nodes, now, read_inputs, refuse_inside
from khgen.cli.outcome import Report, wrote
from khgen.cli.secrets_source import (
    SecretsAppearedError,
    SecretsSource,
    founders_line,
    identity_problems,
    keep_new,
    read_secrets,
    record,
    secrets_path,
    unrecorded,
)
from khgen.disk.budget import budget_findings
from khgen.disk.manifest import MANIFEST, NodeEntry
from khgen.disk.publish import OverBudgetError, Progress, Settle, dry_run, publish
from khgen.disk.rendered_output import held_cluster, load_manifest
from khgen.disk.spec_file import STANDARD_INPUT, text_files
from khgen.pki.adopt import ADOPTED_FILES
from khgen.pki.continuity import continuity_findings, founder_findings
from khgen.pki.lifetime import lifetime_findings
from khgen.pki.secrets import founding_nodes, plan_with
from khgen.plan.cluster_plan import NodePlan
from khgen.problems import Place, Problem, Problems
from khgen.render import ClusterRender

PROGRESS_FROM = 500
"""Smaller clusters are done before anyone could read a progress bar."""
PKI = "/etc/kubernetes/pki"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest:
    """The user's request; it may be rendered twice."""

    spec: Path
    output: Path
    check: bool
    """Whether nothing is written at all."""
    named: str | None
    names: tuple[str, ...]
    rootfs: bool
    """Whether each node's whole tree is written too."""
    strict: bool


def render_cluster(request: RenderRequest) -> None:
    """Render, and render again if another first render has made the secrets file meanwhile."""
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
    nodes = chosen_nodes(plan, request.names)
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
    _print_result(request, closing, entries, source, report)


def _refuse_inputs_inside(request: RenderRequest, inputs: Inputs) -> None:
    """Refuse inputs in the output folder, because it is replaced."""
    assert inputs.loaded.spec is not None, "a spec that was read is a spec"  # noqa: S101
    files = [inputs.file.folder / name for name in text_files(inputs.loaded.spec)]
    if inputs.file.file is not None:
        files += [request.spec, inputs.file.file]
    secrets = secrets_path(inputs, request.named)
    if secrets != STANDARD_INPUT:
        files.append(secrets)
    refuse_inside(request.output, files)


def _secrets(request: RenderRequest, inputs: Inputs, report: Report) -> SecretsSource:
    """The cluster's secrets, if the spec does not contradict them."""
    # Asked before the secrets file is read: another first render makes that one before its output.
    missing = not os.path.lexists(secrets_path(inputs, request.named))
    held = held_cluster(request.output) if missing else None
    source = read_secrets(inputs, request.named, report)
    if source.fresh:
        name = inputs.spec.metadata.name
        report.add(_lost_secrets(request.spec, name, source.path, request.output, held), {})
    report.add(identity_problems(inputs, source), {})
    report.add(inputs.problems(founder_findings(inputs.spec, source.secrets)), {})
    if not request.check:
        report.add(unrecorded(inputs, source), {})
    return source


def _lost_secrets(spec: Path, cluster: str, secrets: Path, out: Path, held: str | None) -> Problems:
    """An error if `out`, which holds a render of the cluster `held`, came from a lost file.

    A render whose manifest is damaged may be of this cluster.
    """
    if held not in {cluster, ""}:
        return Problems()
    what = f"cluster '{held}'" if held else "some cluster"
    problem = Problem(
        message=f"{out} holds a render of {what}, but its secrets file {secrets} is missing",
        place=Place(file=str(out / MANIFEST), line=1, column=1),
        hint=f"restore {secrets} from a copy{_adoption(spec, out)}; for a new cluster, remove"
        f" {out} or name another folder with -o",
    )
    return Problems.of([problem])


def _adoption(spec: Path, out: Path) -> str:
    """How to get the CAs again, as far as they are in the output."""
    manifest = load_manifest(out).manifest
    nodes = {} if manifest is None else manifest.nodes
    lists = {} if manifest is None else manifest.file_lists
    for name, node in nodes.items():
        if {f"{PKI}/{file}" for file in ADOPTED_FILES} <= {*lists[node.file_list]}:
            return (
                f", or adopt its CAs: khgen show {name} -o {out} --write {name}-files,"
                f" then khgen secrets import {spec} {name}-files/rootfs{PKI}"
            )
    return f" (no node in {out} has all CA keys; khgen secrets import adopts them from elsewhere)"


def _rendered(
    request: RenderRequest,
    cluster: ClusterRender,
    nodes: tuple[NodePlan, ...],
    progress: Progress,
    settle: Settle,
) -> Mapping[str, NodeEntry]:
    try:
        if request.check:
            return dry_run(cluster, nodes, progress, now())
        return publish(
            cluster, request.output, nodes, progress, settle, now=now(), rootfs=request.rootfs
        )
    except OverBudgetError as error:
        return error.entries


@contextmanager
def _progress(nodes: int) -> Iterator[Progress]:
    """A progress bar on the terminal if the render takes long enough."""
    if nodes < PROGRESS_FROM or not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=nodes, label="rendering", file=sys.stderr) as bar:
        yield bar.update


def _print_result(
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
    click.echo("\n".join((summary(closing, entries, output), *closing.lines())))
    if created:
        click.echo(
            f"\ncreated {source.path} (0600): the cluster's identity, to be kept and kept secret\n"
            f"{founders_line(source.secrets, request.spec)}"
        )
    elif str(source.path) in report.run.wrote:
        click.echo(f"\nextended {source.path}: it records the identity and version of this render")
