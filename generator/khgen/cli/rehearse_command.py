"""`khgen rehearse`: boots the cluster of a cluster.yaml on this machine."""

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import click

from khgen.cli.inputs import chosen_nodes, now, read_inputs
from khgen.cli.outcome import EndedError, Exit, Report, current_run, exit_code
from khgen.cli.secrets_source import read_secrets
from khgen.facts.version import KubernetesVersion
from khgen.pki.continuity import founder_findings, founding_findings
from khgen.pki.identity import contradictions, identity_of, version_findings
from khgen.pki.secrets import Secrets, founding_nodes, new_secrets
from khgen.plan.cluster_plan import build_plan
from khgen.problems import Severity
from khgen.rehearse.api_client import counted, start_client
from khgen.rehearse.local_host import HostStatus, LocalHost, State, Testbed, Watch
from khgen.rehearse.processes import ProgramError
from khgen.rehearse.rehearsed_spec import MANIFESTS, Rehearsal, rehearsed
from khgen.rehearse.served_programs import ServedPrograms, serve_programs
from khgen.rehearse.testbed import external_balancer, new_host, open_testbed
from khgen.rehearse.updating import (
    RollWatch,
    apply_objects,
    give_by_folder,
    objects_of,
    updates_of,
)
from khgen.render import ClusterRender
from khgen.spec.model import ClusterSpec


class RehearsalRequest(TypedDict):
    """How the hosts boot, and what they are updated to."""

    timeout: float
    rootfs: Path | None
    programs: Path | None
    update: Path | None
    """The spec of the update."""
    update_programs: Path | None
    """Kubernetes of the update's version; default: `programs`."""
    cpus: float | None
    consoles: Path | None
    keep: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A spec as it is rehearsed, with its render and its Kubernetes."""

    rehearsal: Rehearsal
    render: ClusterRender
    programs: Path


def rehearse_cluster(
    spec: Path, named: str | None, names: tuple[str, ...], request: RehearsalRequest
) -> None:
    """Boot these nodes, or all; ends the command with 4 unless every host is done in time."""
    first, second = _renders(spec, named, names, request)
    nodes = chosen_nodes(first.render.plan, names)
    click.echo("preparing the hosts (the first time, their root directory: a minute or two)")
    versions = [(one.render.plan, one.programs) for one in (first, second) if one is not None]
    with (
        _reporting(),
        open_testbed(first.rehearsal, versions, request["rootfs"], request["cpus"]) as here,
        external_balancer(here, first.render.plan),
    ):
        if second is not None and second.programs != first.programs:
            served = [_served(rehearsed) for rehearsed in (first, second)]
            serve_programs(here.namespaces, here.folder, served)
        data_dir = first.rehearsal.spec.etcd.data_dir
        hosts = [new_host(here, first.render.node(node), data_dir) for node in nodes]
        with _keeping_consoles(hosts, request["consoles"]):
            _boot(hosts, request["timeout"])
            if second is not None:
                _update(here, second, hosts, request["timeout"])
            if request["keep"]:
                _wait_for_interrupt(hosts)


def _renders(
    spec: Path, named: str | None, names: tuple[str, ...], request: RehearsalRequest
) -> tuple[Rehearsed, Rehearsed | None]:
    """The spec and the update as they are rehearsed, each with its render, by the same new keys."""
    report = Report()
    inputs = read_inputs(spec, report)
    source = read_secrets(inputs, named, report)
    even = founding_findings(inputs.spec) if source.fresh else ()
    report.add(inputs.problems((*even, *founder_findings(inputs.spec, source.secrets))), {})
    wanted = (
        None if request["update"] is None else _read_update(request["update"], inputs.spec, report)
    )
    report.stop_if_fatal()
    founders = founding_nodes(source.secrets)
    chosen_nodes(build_plan(inputs.spec, founders), names)
    programs = _required(request["programs"])
    updated = request["update_programs"] or programs
    secrets = replace(new_secrets(inputs.spec, now(), os.urandom), founders=founders)
    serves = wanted is not None and updated != programs
    first = _rehearsed(inputs.spec, secrets, programs, serves=serves)
    if wanted is None:
        return first, None
    return first, _rehearsed(wanted, secrets, updated, serves=serves)


def _read_update(path: Path, before: ClusterSpec, report: Report) -> ClusterSpec:
    """The spec of the update, with errors where a cluster that runs cannot become it."""
    inputs = read_inputs(path, report)
    last = KubernetesVersion.parse(before.kubernetes.version)
    findings = (
        *contradictions(inputs.spec, identity_of(before)),
        *(f for f in version_findings(inputs.spec, last) if f.severity is Severity.ERROR),
    )
    report.add(inputs.problems(findings), {})
    return inputs.spec


def _rehearsed(spec: ClusterSpec, secrets: Secrets, programs: Path, *, serves: bool) -> Rehearsed:
    served = ServedPrograms(folder=programs, version=spec.kubernetes.version) if serves else None
    rehearsal = rehearsed(spec, served)
    plan = build_plan(rehearsal.spec, secrets.founders)
    return Rehearsed(
        rehearsal=rehearsal, render=ClusterRender(plan, secrets, MANIFESTS), programs=programs
    )


def _served(one: Rehearsed) -> ServedPrograms:
    version = one.rehearsal.spec.kubernetes.version
    return ServedPrograms(folder=one.programs, version=version)


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


@contextmanager
def _keeping_consoles(hosts: Sequence[LocalHost], folder: Path | None) -> Iterator[None]:
    try:
        yield
    finally:
        _keep_consoles(hosts, folder)


def _boot(hosts: Sequence[LocalHost], timeout: float) -> None:
    """Boot the hosts and print what they do; ends the command with 4 unless every host is done."""
    watch = Watch(hosts=hosts)
    for host in hosts:
        host.power_on()
    for change in watch.until_done(timeout):
        click.echo(_line(change))
    click.echo(_table(watch))
    if not watch.all_done:
        sys.exit(Exit.PROGRAM)


def _update(here: Testbed, wanted: Rehearsed, hosts: Sequence[LocalHost], timeout: float) -> None:
    """Give the running hosts their updates by the API, and print what they and a client see.

    Hosts of etcd and load balancers do not ask the API: khgen-update takes theirs from a folder.
    """
    plan = wanted.render.plan
    updates = updates_of(wanted.render)
    hosts = [host for host in hosts if host.name in updates]
    address = plan.endpoint.vip or wanted.rehearsal.gateways[0][0]
    log = start_client(here.namespaces, here.folder, str(address), plan.endpoint.port)
    click.echo(f"\nthe update, by kubectl apply -f update.yaml; Kubernetes {plan.version}")
    watch = RollWatch(hosts=hosts, wanted={name: u.generation for name, u in updates.items()})
    apply_objects(here, wanted.render, objects_of(wanted.render, updates))
    for host in hosts:
        if not plan.by_name[host.name].joins_kubernetes:
            give_by_folder(host, updates[host.name])
    for change in watch.until_done(timeout):
        click.echo(f"{change.seconds:6.1f} s  {change.host:<12} {change.state:<8} {change.line}")
    click.echo(f"\nafter {watch.seconds:.0f} s: {counted(log, watch.since)}")
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
