"""`khgen secrets`: the file that is the cluster's identity."""

from pathlib import Path

import click


@click.group()
def secrets() -> None:
    """Import, reset or accept the secrets file."""


@secrets.command("import")
@click.argument("spec", type=click.Path(path_type=Path))
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--secrets", "named", help="Secrets file to create; default: beside the spec.")
def import_directory(spec: Path, directory: Path, named: str | None) -> None:
    """Adopt the CAs of an existing /etc/kubernetes/pki.

    Takes the cluster, etcd and front-proxy CAs and the service-account key from DIRECTORY, RSA or
    ECDSA, and creates the secrets file around them. Everything else is newly issued.
    """
    from khgen.cli import importing

    click.echo("\n".join(importing.import_directory(spec, directory, named)))


@secrets.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--secrets", "named", help="Secrets file; default: beside the spec.")
@click.option("--no-machine-has-booted", is_flag=True, help="Confirm it here, not at the prompt.")
def refound(spec: Path, named: str | None, *, no_machine_has_booted: bool) -> None:
    """Record the founders again, before any machine has booted.

    Records the control planes (and etcd hosts) of SPEC as the founders, and its networks, endpoint,
    version and the like. Keys stay; every machine needs its new user-data. A cluster that has
    booted would be founded a second time, so this command first asks for the cluster's name.
    """
    from khgen.cli.refounding import refound_cluster

    click.echo(refound_cluster(spec, named, confirmed=no_machine_has_booted))


@secrets.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--secrets", "named", help="Secrets file; default: beside the spec.")
@click.option("--content-is-right", is_flag=True, help="Confirm it here, not at the prompt.")
def seal(spec: Path, named: str | None, *, content_is_right: bool) -> None:
    """Accept the secrets file's content as it stands.

    Use it after a change by hand, or for a file of an older khgen. It shows all of the content but
    the keys, asks for the cluster's name, and writes a new digest. If KHGEN_SECRETS_KEY_FILE is set,
    the key in that file seals the content.
    """
    from khgen.cli.sealing import seal_secrets

    click.echo(seal_secrets(spec, named, confirmed=content_is_right))
