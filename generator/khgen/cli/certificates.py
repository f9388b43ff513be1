"""What `khgen certs` does: lists certificates with their dates, and renews them."""

from collections.abc import Callable
from pathlib import Path

import click

from khgen.cli.inputs import identity_problems, now, read_inputs, read_secrets
from khgen.cli.outcome import Report
from khgen.disk.secrets_file import extend
from khgen.pki.catalog import SUPER_ADMIN_KUBECONFIG
from khgen.pki.credentials import certificate_dates, node_credentials
from khgen.pki.secrets import EVERYONE, Secrets, plan_with, renewed


def date_lines(spec: Path, named: str | None) -> list[str]:
    """A line for each certificate: its end, the days left, its holder, its name."""
    report = Report()
    inputs = read_inputs(spec, report)
    secrets = read_secrets(inputs, named, report, must_exist=True).secrets
    report.add(identity_problems(inputs, secrets), {})
    report.stop_if_fatal()
    plan = plan_with(inputs.spec, secrets)
    rows = [
        (authority.certificate.not_valid_after_utc, "(CA)", name.value)
        for name, authority in secrets.authorities.items()
    ]
    for node in plan.nodes:
        dates = certificate_dates(node_credentials(plan, node, secrets))
        rows += [(last, node.name, _described(name)) for name, (_, last) in dates.items()]
    today = now()
    return [
        f"{end:%Y-%m-%d %H:%M}Z  {(end - today).days:>5} days left  {holder}  {name}"
        for end, holder, name in sorted(rows)
    ]


def _described(name: str) -> str:
    founding = name == SUPER_ADMIN_KUBECONFIG.name
    return f"{name} (only for the founding)" if founding else name


def renew_certificates(spec: Path, named: str | None, names: tuple[str, ...]) -> str:
    """Record a new generation in the secrets file; returns what to do next."""
    scopes = names or (EVERYONE,)
    path = change_secrets(spec, named, names, lambda old: renewed(old, scopes, now()))
    whose = ", ".join(names) if names else "every node"
    return f"{path}: new certificates for {whose}; next: khgen render {spec}"


def change_secrets(
    spec: Path, named: str | None, names: tuple[str, ...], change: Callable[[Secrets], Secrets]
) -> Path:
    """Extend the cluster's secrets file on behalf of these nodes of the spec; returns its path."""
    report = Report()
    inputs = read_inputs(spec, report)
    known = {node.name for node in inputs.spec.nodes}
    if unknown := [name for name in names if name not in known]:
        message = f"no node '{unknown[0]}' in the spec"
        raise click.UsageError(message)
    source = read_secrets(inputs, named, report, must_exist=True)
    report.add(identity_problems(inputs, source.secrets), {})
    report.stop_if_fatal()
    extend(source.path, change)
    return source.path
