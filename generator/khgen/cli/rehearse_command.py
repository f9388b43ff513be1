"""`khgen rehearse`: boots the cluster of a cluster.yaml on this machine."""

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import click

from khgen.cli.inputs import chosen_nodes, now, read_inputs
from khgen.cli.outcome import EndedError, Exit, Report, current_run, exit_code
from khgen.cli.secrets_source import read_secrets
from khgen.pki.continuity import founder_findings, founding_findings
from khgen.pki.secrets import founding_nodes, new_secrets
from khgen.plan.cluster_plan import build_plan
from khgen.rehearse.local_host import HostStatus, LocalHost, State, Watch
from khgen.rehearse.processes import ProgramError
from khgen.rehearse.rehearsed_spec import MANIFESTS, Rehearsal, rehearsed
from khgen.rehearse.testbed import external_balancer, new_host, open_testbed
from khgen.render import ClusterRender


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalRequest:
    """How the hosts boot."""

    timeout: float
    rootfs: Path | None
    programs: Path | None
    cpus: float | None
    consoles: Path | None
    keep: bool


def rehearse_cluster(
    spec: Path, named: str | None, names: tuple[str, ...], request: RehearsalRequest
) -> None:
    """Boot these nodes, or all; ends the command with 4 unless every host is done in time."""
    rehearsal, cluster = _render(spec, named)
    nodes = chosen_nodes(cluster.plan, names)
    folder = _required(request.programs)
    click.echo("preparing the hosts (the first time, their root directory: a minute or two)")
    with (
        _reporting(),
        open_testbed(rehearsal, cluster, folder, request.rootfs, request.cpus) as here,
        external_balancer(here, cluster.plan),
    ):
        data_dir = rehearsal.spec.etcd.data_dir
        hosts = [new_host(here, cluster.node(node), data_dir) for node in nodes]
        _boot(hosts, request)


def _render(spec: Path, named: str | None) -> tuple[Rehearsal, ClusterRender]:
    """The spec as it is rehearsed, and its render with new keys."""
    report = Report()
    inputs = read_inputs(spec, report)
    source = read_secrets(inputs, named, report)
    even = founding_findings(inputs.spec) if source.fresh else ()
    report.add(inputs.problems((*even, *founder_findings(inputs.spec, source.secrets))), {})
    report.stop_if_fatal()
    founders = founding_nodes(source.secrets)
    rehearsal = rehearsed(inputs.spec)
    secrets = replace(new_secrets(rehearsal.spec, now(), os.urandom), founders=founders)
    plan = build_plan(rehearsal.spec, founders)
    return rehearsal, ClusterRender(plan, secrets, MANIFESTS)


def _required(programs: Path | None) -> Path:
    if programs is None:
        message = "name a folder of Kubernetes programs: --kube-bin, or KHGEN_KUBE_BIN"
        raise click.UsageError(message)
    return programs


@contextmanager
def _reporting() -> Iterator[None]:
    """End the command with an error if a program of this machine fails or the user interrupts it."""
    try:
        yield
    except ProgramError as error:
        current_run().fail(Exit.PROGRAM, str(error))
    except EndedError as ended:
        click.echo("khgen: interrupted; nothing is left of the rehearsal", err=True)
        sys.exit(exit_code(ended.number))


def _boot(hosts: Sequence[LocalHost], request: RehearsalRequest) -> None:
    """Boot the hosts and print what they do; ends the command with 4 unless every host is done."""
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
    if not watch.all_done:
        sys.exit(Exit.PROGRAM)


def _wait_for_interrupt(hosts: Sequence[LocalHost]) -> None:
    click.echo("\nthe hosts run until ^C; a shell on each:")
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
