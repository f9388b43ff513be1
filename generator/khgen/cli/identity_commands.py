"""The commands that change the cluster's identity or list it: arguments, options and help.

Their work is in other modules, as for `khgen.cli.commands`.
"""

from pathlib import Path

import click

from khgen.cli.options import (
    CHANGED_SECRETS,
    READ_SECRETS,
    kubeconfig_option,
    node_option,
    secrets_option,
    spec_argument,
)

ROLES = ("control-plane", "worker", "etcd", "load-balancer")


@click.group()
def node() -> None:
    """Replace or remove a single node."""


@node.command()
@spec_argument
@click.argument("name")
@secrets_option(CHANGED_SECRETS)
def replace(spec: Path, name: str, named: str | None) -> None:
    """Give node NAME a new identity, for a new machine.

    At the next render the node has new keys and a new instance-id. It joins, even if it was a
    founder. A control plane or etcd host first removes its old etcd member, once the others have
    quorum.
    """
    from khgen.cli.renewal import replace_node

    replace_node(spec, name, named)


@node.command()
@spec_argument
@click.argument("name")
@secrets_option(CHANGED_SECRETS)
@click.option("--role", type=click.Choice(ROLES), help="Its role, if the spec no longer lists it.")
@click.option("--address", help="Its address, if the spec no longer lists it.")
def remove(spec: Path, name: str, named: str | None, role: str | None, address: str | None) -> None:
    """Record that node NAME leaves the cluster permanently.

    Then take it out of the spec and render.

    Its etcd member and its Node stay until you remove them. The next control plane or etcd host
    waits for that and prints the command.
    """
    from khgen.cli.renewal import remove_node

    remove_node(spec, name, named, role, address)


@click.group()
def certs() -> None:
    """List certificates and renew them."""


@certs.command("list")
@spec_argument
@secrets_option(READ_SECRETS)
@click.option("--live", is_flag=True, help="List what each API server serves instead.")
@kubeconfig_option("With --live: the kubeconfig whose CA is trusted; default: out/admin.conf.")
def list_dates(spec: Path, named: str | None, *, live: bool, kubeconfig: Path | None) -> None:
    """List every certificate of a render, soonest expiry first.

    With --live, khgen connects to every API server and to the endpoint, checks the served
    certificate and compares it with the rendered one. It sends no request. Exit code 0: all are as
    rendered, 2: one differs or cannot be seen; docs/commands.md lists the others.
    """
    if not live and kubeconfig is not None:
        message = "--kubeconfig is for --live"
        raise click.UsageError(message)
    if live:
        from khgen.cli.served_command import list_served

        list_served(spec, named, kubeconfig or Path("out/admin.conf"))
    else:
        from khgen.cli.renewal import list_certificates

        list_certificates(spec, named)


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
    future: then their own keys sign them again. Running nodes get them with their next update.
    """
    from khgen.cli.renewal import renew_certificates

    renew_certificates(spec, named, names, clock_is_right=clock_is_right)


@click.group()
def secrets() -> None:
    """Import, reset or accept the secrets file."""


@secrets.command("import")
@spec_argument
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@secrets_option("Secrets file to create; default: beside the spec.")
def import_directory(spec: Path, directory: Path, named: str | None) -> None:
    """Adopt the CAs of an existing /etc/kubernetes/pki.

    khgen takes the cluster, etcd and front-proxy CAs and the service-account key from DIRECTORY (RSA
    or ECDSA) and creates the secrets file with them. It issues everything else new.
    """
    from khgen.cli import secrets_command

    secrets_command.import_directory(spec, directory, named)


@secrets.command()
@spec_argument
@secrets_option(CHANGED_SECRETS)
@click.option("--no-machine-has-booted", is_flag=True, help="Confirm it here, not at the prompt.")
def refound(spec: Path, named: str | None, *, no_machine_has_booted: bool) -> None:
    """Record the founders again, before any machine has booted.

    The control planes (and etcd hosts) of SPEC become the founders. Its networks, endpoint, version
    and the like are recorded too. Keys stay; every machine needs its new user-data. A cluster that
    has booted would be founded a second time, so khgen first asks for the cluster's name.
    """
    from khgen.cli import secrets_command

    secrets_command.refound(spec, named, confirmed=no_machine_has_booted)


@secrets.command()
@spec_argument
@secrets_option(CHANGED_SECRETS)
@click.option("--content-is-right", is_flag=True, help="Confirm it here, not at the prompt.")
def seal(spec: Path, named: str | None, *, content_is_right: bool) -> None:
    """Accept the secrets file's content as it stands.

    Use it after a change by hand, or for a file of an older khgen. khgen prints all of the content
    except the keys, asks for the cluster's name, and writes a new digest. If KHGEN_SECRETS_KEY_FILE is
    set, the key in that file seals the content.
    """
    from khgen.cli import secrets_command

    secrets_command.seal(spec, named, confirmed=content_is_right)
