"""What `khgen certs` does: lists certificates with their dates, and renews them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from khgen.cli.inputs import (
    Inputs,
    changed_file,
    identity_problems,
    now,
    read_inputs,
    read_secrets,
    require_nodes,
)
from khgen.cli.outcome import Report, wrote
from khgen.disk.secrets_file import extend
from khgen.pki.catalog import SUPER_ADMIN_KUBECONFIG
from khgen.pki.clock import (
    ahead_text,
    clock_findings,
    future_dates,
    with_authorities_put_right,
    with_dates_put_right,
)
from khgen.pki.credentials import certificate_dates, node_credentials
from khgen.pki.secrets import EVERYONE, Secrets, plan_with, renewed


def date_lines(spec: Path, named: str | None) -> list[str]:
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


def renew_certificates(
    spec: Path, named: str | None, names: tuple[str, ...], *, trusted: bool
) -> list[str]:
    """Record a new generation in the secrets file; returns what was done, and what to do next.

    Where the clock is `trusted`, dates and CAs of a first render in the future are put right too.
    """
    scopes, today = names or (EVERYONE,), now()

    def change(old: Secrets) -> Secrets:
        return renewed(old, scopes, today)

    path, notes = change_secrets(spec, named, Renewal(names=names, change=change, trusted=trusted))
    whose = ", ".join(names) if names else "every node"
    done = f"{path}: new certificates for {whose}, dated {today:%Y-%m-%d}"
    return [*notes, f"{done}; next: khgen render {spec}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """A change that dates something anew: of these nodes of the spec, or of all where none is named."""

    names: tuple[str, ...]
    change: Callable[[Secrets], Secrets]
    trusted: bool = False
    """Whether the operator says that the clock is right, against the first render's."""


def change_secrets(spec: Path, named: str | None, renewal: Renewal) -> tuple[Path, list[str]]:
    """Extend the cluster's secrets file; returns its path, and which dates were put right."""
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
    """What puts the dates of a clock that was ahead right, and what the user hears of it."""

    mend: Callable[[Secrets], Secrets]
    notes: list[str]


def mending_of(inputs: Inputs, secrets: Secrets, report: Report, renewal: Renewal) -> Mending:
    """How dates in the future are put right; ends the command where this clock cannot be right."""
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
