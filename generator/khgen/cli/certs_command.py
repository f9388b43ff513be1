"""`khgen certs`: every certificate with its dates, and fresh ones."""

from datetime import datetime
from pathlib import Path

import click

from khgen.cli.inputs import identity_problems, now, read_inputs, read_secrets
from khgen.cli.options import (
    CHANGED_SECRETS,
    READ_SECRETS,
    node_option,
    secrets_option,
    spec_argument,
)
from khgen.cli.outcome import Report
from khgen.cli.renewal import Renewal, change_secrets
from khgen.pki.catalog import SUPER_ADMIN_KUBECONFIG
from khgen.pki.credentials import certificate_dates, node_credentials
from khgen.pki.secrets import EVERYONE, Secrets, plan_with, renewed


@click.group()
def certs() -> None:
    """List certificates and renew them."""


@certs.command("list")
@spec_argument
@secrets_option(READ_SECRETS)
def list_dates(spec: Path, named: str | None) -> None:
    """List every certificate of a render, soonest expiry first."""
    click.echo("\n".join(_date_lines(spec, named)))


@certs.command()
@spec_argument
@secrets_option(CHANGED_SECRETS)
@node_option("Renew only this node's certificates; repeatable.")
@click.option(
    "--clock-is-right",
    is_flag=True,
    help="Confirm that this clock is right: the first render's was ahead.",
)
def renew(spec: Path, named: str | None, names: tuple[str, ...], *, clock_is_right: bool) -> None:
    """Give nodes new keys and certificates at the next render.

    Their dates count from now. The CAs stay as they are, unless the first render dated them in the
    future: then their own keys sign them again. The nodes get their new files with their next
    user-data or image.
    """
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
