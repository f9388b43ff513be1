"""A change of the secrets file that dates something anew, and what puts wrong dates right."""

from collections.abc import Callable
from dataclasses import dataclass
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
from khgen.pki.lifetime import (
    ahead_text,
    clock_findings,
    future_dates,
    with_authorities_put_right,
    with_dates_put_right,
)
from khgen.pki.secrets import Secrets


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
