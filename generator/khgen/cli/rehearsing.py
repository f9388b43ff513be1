"""The rehearsal behind `khgen rehearse`, and what it tells the user."""

import os
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import click

from khgen.cli.ending import EndedError, exit_code
from khgen.cli.inputs import now, read_inputs, read_secrets, require_nodes
from khgen.cli.outcome import Exit, Report
from khgen.pki.continuity import founder_findings, founding_findings
from khgen.pki.secrets import founding_nodes, new_secrets
from khgen.plan.cluster_plan import NodePlan, build_plan
from khgen.rehearse.host_status import HostStatus, State, Watch
from khgen.rehearse.local_host import LocalHost
from khgen.rehearse.processes import ProgramError
from khgen.rehearse.rehearsed_spec import MANIFESTS, Rehearsal, rehearsed
from khgen.rehearse.testbed import external_balancer, new_host, open_testbed
from khgen.render import ClusterRender


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearseRequest:
    """What the user asked for."""

    spec: Path
    secrets: str | None
    names: tuple[str, ...]
    timeout: float
    keep: bool
    rootfs: Path | None
    programs: Path | None
    cpus: float | None
    consoles: Path | None


def run_rehearsal(request: RehearseRequest) -> None:
    """Rehearse, and tell; ends the command with 4 unless every host is done."""
    report = Report()
    inputs = read_inputs(request.spec, report)
    source = read_secrets(inputs, request.secrets, report)
    recorded = source.secrets
    even = founding_findings(inputs.spec) if source.fresh else ()
    report.add(inputs.problems((*even, *founder_findings(inputs.spec, recorded))), {})
    report.stop_if_fatal()
    founders = founding_nodes(recorded)
    rehearsal = rehearsed(inputs.spec)
    secrets = replace(new_secrets(rehearsal.spec, now(), os.urandom), founders=founders)
    cluster = ClusterRender(build_plan(rehearsal.spec, founders), secrets, MANIFESTS)
    nodes = _chosen(cluster, request.names)
    try:
        watch = _rehearse(request, rehearsal, cluster, nodes)
    except ProgramError as error:
        report.run.fail(Exit.PROGRAM, str(error))
    except EndedError as ended:
        click.echo("khgen: interrupted; nothing is left of the rehearsal", err=True)
        sys.exit(exit_code(ended.number))
    if not watch.all_done:
        sys.exit(Exit.PROGRAM)


def _chosen(cluster: ClusterRender, names: tuple[str, ...]) -> tuple[NodePlan, ...]:
    require_nodes(names, cluster.plan.by_name, "the spec")
    return tuple(node for node in cluster.plan.nodes if not names or node.name in names)


def _rehearse(
    request: RehearseRequest,
    rehearsal: Rehearsal,
    cluster: ClusterRender,
    nodes: Sequence[NodePlan],
) -> Watch:
    if request.programs is None:
        message = "name a folder of Kubernetes programs: --kube-bin, or KHGEN_KUBE_BIN"
        raise click.UsageError(message)
    click.echo("preparing the hosts (the first time, their root directory: a minute or two)")
    with (
        open_testbed(rehearsal, cluster, request.programs, request.rootfs, request.cpus) as here,
        external_balancer(here, cluster.plan),
    ):
        data_dir = rehearsal.spec.etcd.data_dir
        hosts = [new_host(here, cluster.node(node), data_dir) for node in nodes]
        watch = Watch(hosts=hosts)
        try:
            for host in hosts:
                host.power_on()
            for change in watch.until_done(request.timeout):
                click.echo(_line(change))
            click.echo(_table(watch))
            if request.keep:
                _wait_for_interrupt(hosts)
        finally:
            _keep_consoles(hosts, request.consoles)
    return watch


def _wait_for_interrupt(hosts: Sequence[LocalHost]) -> None:
    click.echo("\nthe hosts go on until ^C; a shell on each:")
    for host in hosts:
        click.echo(f"  {host.name:<12} {' '.join(host.inside(['bash']))}")
    with suppress(EndedError):
        while True:
            time.sleep(3600)


def _keep_consoles(hosts: Sequence[LocalHost], folder: Path | None) -> None:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for host in hosts:
        if host.console.exists():
            shutil.copyfile(host.console, folder / f"{host.name}.log")


def _line(change: HostStatus) -> str:
    step = f"{change.step}: {change.about}" if change.step else ""
    hint = f"; hint: {change.hint}" if change.state is State.STALLED and change.hint else ""
    return f"{change.seconds:6.1f} s  {change.host:<12} {change.state:<8} {step}{hint}".rstrip()


def _table(watch: Watch) -> str:
    rows = [("node", "state", "seconds", "where it stands")]
    for status in watch.last.values():
        where = " | ".join(part for part in (status.step, status.said) if part)
        rows.append((status.host, status.state, f"{status.seconds:.1f}", where))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = (
        f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}".rstrip()
        for row in rows
    )
    return "\n" + "\n".join(lines)
