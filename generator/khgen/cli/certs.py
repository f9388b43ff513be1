"""`khgen certs`: every certificate with its dates, and fresh ones."""

from pathlib import Path

import click

_SECRETS_HELP = "Secrets file, or - for standard input; default: beside the spec."


@click.group()
def certs() -> None:
    """List certificates and renew them."""


@certs.command("list")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--secrets", "named", help=_SECRETS_HELP)
def list_dates(spec: Path, named: str | None) -> None:
    """List every certificate of a render, soonest expiry first."""
    from khgen.cli.certificates import date_lines

    click.echo("\n".join(date_lines(spec, named)))


@certs.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--secrets", "named", help="Secrets file; default: beside the spec.")
@click.option(
    "--node", "names", multiple=True, help="Renew only this node's certificates; repeatable."
)
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
    from khgen.cli.certificates import renew_certificates

    if clock_is_right and names:
        message = "--clock-is-right is for the whole cluster: leave out --node"
        raise click.UsageError(message)
    click.echo("\n".join(renew_certificates(spec, named, names, trusted=clock_is_right)))
