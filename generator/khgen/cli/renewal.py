"""`khgen node` and `khgen certs`: new identities and new dates of certificates.

These commands also correct dates that a clock ahead of the time has written.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError

from khgen.cli.inputs import Inputs, no_such_node, now, read_inputs, require_nodes
from khgen.cli.outcome import Report, wrote
from khgen.cli.secrets_source import changed_file, identity_problems, read_secrets
from khgen.disk.secrets_file import extend
from khgen.pki.catalog import SUPER_ADMIN_KUBECONFIG
from khgen.pki.credentials import certificate_dates, node_credentials
from khgen.pki.lifetime import (
    ahead_text,
    clock_findings,
    future_dates,
    with_authorities_put_right,
    with_dates_put_right,
)
from khgen.pki.secrets import (
    EVERYONE,
    Secrets,
    last_removal,
    plan_with,
    renewed,
    with_removed,
    with_replaced,
)
from khgen.spec.model import ClusterSpec, NodeRole
from khgen.spec.model.cluster import EtcdTopology
from khgen.spec.model.texts import NodeName
from khgen.spec.model.values import IPAddress

_IN_KUBERNETES = frozenset({NodeRole.CONTROL_PLANE, NodeRole.WORKER})


def replace_node(spec: Path, name: str, named: str | None) -> None:
    """Give the node a new identity at the next render."""
    today = now()
    renewal = Renewal(names=(name,), change=lambda old: with_replaced(old, name, today))
    path, notes = change_secrets(spec, named, renewal)
    for note in notes:
        click.echo(note)
    click.echo(f"{path}: {name} joins with a fresh identity; next: khgen render {spec}")


def remove_node(
    spec: Path, name: str, named: str | None, role: str | None, address: str | None
) -> None:
    """Record that the node left the cluster, and print the next steps."""
    report = Report()
    inputs = read_inputs(spec, report)
    left = _left(inputs.spec, name, role, address)
    source = read_secrets(inputs, named, report, must_exist=True)
    report.add(identity_problems(inputs, source), {})
    report.stop_if_fatal()
    path, earlier = changed_file(source, "node remove"), last_removal(source.secrets, name)
    if earlier is not None:
        click.echo(f"{path}: {name} was removed on {earlier.removed_at:%Y-%m-%d} already")
        return
    renewal = _removal(name, *left)
    mending = mending_of(inputs, source.secrets, report, renewal)
    extend(path, renewal.change, source.key, mending.mend)
    wrote(path)
    done = f"{path}: {name} ({left[0]}, {left[1]}) is removed"
    click.echo("\n".join([*mending.notes, done, *_next(inputs.spec, spec, name, left[0])]))


def renew_certificates(
    spec: Path, named: str | None, names: tuple[str, ...], *, clock_is_right: bool
) -> None:
    """Give these nodes, or all, new certificates at the next render."""
    if clock_is_right and names:
        message = "--clock-is-right is for the whole cluster: leave out --node"
        raise click.UsageError(message)
    scopes, today = names or (EVERYONE,), now()

    def change(old: Secrets) -> Secrets:
        return renewed(old, scopes, today)

    renewal = Renewal(names=names, change=change, trusted=clock_is_right)
    path, notes = change_secrets(spec, named, renewal)
    whose = ", ".join(names) if names else "every node"
    done = f"{path}: new certificates for {whose}, dated {today:%Y-%m-%d}"
    click.echo("\n".join([*notes, f"{done}; next: khgen render {spec}"]))


def list_certificates(spec: Path, named: str | None) -> None:
    """Print every certificate with its dates, soonest expiry first."""
    click.echo("\n".join(_date_lines(spec, named)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """A change that gives these nodes new dates, or all nodes where none is named."""

    names: tuple[str, ...]
    change: Callable[[Secrets], Secrets]
    trusted: bool = False
    """Whether the operator confirms this clock, and the first render's was wrong."""


def change_secrets(spec: Path, named: str | None, renewal: Renewal) -> tuple[Path, list[str]]:
    """Extend the cluster's secrets file; returns its path, and which dates were corrected."""
    report = Report()
    inputs = read_inputs(spec, report)
    require_nodes(renewal.names, [node.name for node in inputs.spec.nodes], "the spec")
    source = read_secrets(inputs, named, report, must_exist=True)
    report.add(identity_problems(inputs, source), {})
    report.stop_if_fatal()
    path = changed_file(source, "this")
    mending = mending_of(inputs, source.secrets, report, renewal)
    extend(path, renewal.change, source.key, mending.mend)
    wrote(path)
    return path, mending.notes


@dataclass(frozen=True, slots=True, kw_only=True)
class Mending:
    """The correction of dates that a clock ahead of the time wrote, and the notes for the user."""

    mend: Callable[[Secrets], Secrets]
    notes: list[str]


def mending_of(inputs: Inputs, secrets: Secrets, report: Report, renewal: Renewal) -> Mending:
    """How dates in the future are corrected; ends the command where this clock cannot be right."""
    today, backdate = now(), inputs.spec.pki.backdate
    findings = clock_findings(secrets, today, backdate, trusted=renewal.trusted)
    report.add(inputs.problems(findings), {})
    report.stop_if_fatal()

    def mend(old: Secrets) -> Secrets:
        dated = with_dates_put_right(old, today, backdate)
        return dated if renewal.names else with_authorities_put_right(dated, today, backdate)

    notes = []
    if wrong := future_dates(secrets, today, backdate):
        ahead = f"{wrong[-1]:%Y-%m-%d}, {ahead_text(wrong[-1] - today)}"
        notes.append(f"an earlier change was dated {ahead}: it is put right")
    if mend(secrets).authorities != secrets.authorities:
        notes.append("the CAs began in the future: signed anew by their own keys, from now on")
    return Mending(mend=mend, notes=notes)


def _removal(name: str, role: NodeRole, address: IPAddress) -> Renewal:
    today = now()
    return Renewal(names=(name,), change=lambda old: with_removed(old, name, role, address, today))


def _left(
    spec: ClusterSpec, name: str, role: str | None, address: str | None
) -> tuple[NodeRole, IPAddress]:
    """The role and the address of the node that leaves, from the spec or else from the user."""
    found = next((node for node in spec.nodes if node.name == name), None)
    if found is not None:
        if role or address:
            message = f"the spec lists '{name}': leave out --role and --address"
            raise click.UsageError(message)
        return found.role, found.address
    if role is None or address is None:
        hint = "if it was taken out already, add --role and --address"
        raise no_such_node(name, [node.name for node in spec.nodes], "the spec", hint)
    return NodeRole(role), _checked(name, address)


def _checked(name: str, address: str) -> IPAddress:
    try:
        TypeAdapter(NodeName).validate_python(name)
    except ValidationError:
        message = f"'{name}' cannot be a node's name: lower-case letters, digits, '-' and '.'"
        raise click.UsageError(message) from None
    try:
        return ip_address(address)
    except ValueError:
        message = f"--address takes an IP address, not '{address}'"
        raise click.UsageError(message) from None


def _next(spec: ClusterSpec, file: Path, name: str, role: NodeRole) -> list[str]:
    stacked = spec.etcd.topology is EtcdTopology.STACKED
    lines = []
    if any(node.name == name for node in spec.nodes):
        lines.append(f"next: take {name} out of {file}, then render it")
    if role in _IN_KUBERNETES:
        lines.append(f"its Node: kubectl delete node {name}")
    if role is NodeRole.ETCD or (stacked and role is NodeRole.CONTROL_PLANE):
        lines.append(
            "its etcd member: the next one that joins waits until it is gone, and names the command"
        )
    return lines


def _date_lines(spec: Path, named: str | None) -> list[str]:
    """A line for each certificate: its end, the days left, its holder, its name."""
    report = Report()
    inputs = read_inputs(spec, report)
    source = read_secrets(inputs, named, report, must_exist=True)
    secrets = source.secrets
    report.add(identity_problems(inputs, source), {})
    report.stop_if_fatal()
    plan, today = plan_with(inputs.spec, secrets), now()
    rows = [
        (
            authority.certificate.not_valid_after_utc,
            "(CA)",
            _begun(name.value, authority.certificate.not_valid_before_utc, today),
        )
        for name, authority in secrets.authorities.items()
    ]
    for node in plan.nodes:
        dates = certificate_dates(node_credentials(plan, node, secrets))
        rows += [
            (last, node.name, _begun(_described(name), first, today))
            for name, (first, last) in dates.items()
        ]
    return [
        f"{end:%Y-%m-%d %H:%M}Z  {(end - today).days:>5} days left  {holder}  {name}"
        for end, holder, name in sorted(rows)
    ]


def _begun(name: str, first: datetime, today: datetime) -> str:
    return f"{name} (begins {first:%Y-%m-%d})" if first > today else name


def _described(name: str) -> str:
    founding = name == SUPER_ADMIN_KUBECONFIG.name
    return f"{name} (only for the founding)" if founding else name
