"""`khgen node`: what happens to a single machine."""

from pathlib import Path

import click


@click.group()
def node() -> None:
    """Replace or remove a single node."""


@node.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.argument("name")
@click.option("--secrets", "named", help="Secrets file; default: beside the spec.")
def replace(spec: Path, name: str, named: str | None) -> None:
    """Give node NAME a new identity, for a new machine.

    At the next render the node has new keys and a new instance-id. It joins, even if it was a
    founder. A control plane or etcd host first removes its old etcd member, once the others have
    quorum.
    """
    from khgen.cli.certificates import Renewal, change_secrets
    from khgen.cli.inputs import now
    from khgen.pki.secrets import with_replaced

    today = now()
    renewal = Renewal(names=(name,), change=lambda old: with_replaced(old, name, today))
    path, notes = change_secrets(spec, named, renewal)
    for note in notes:
        click.echo(note)
    click.echo(f"{path}: {name} joins with a fresh identity; next: khgen render {spec}")


@node.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.argument("name")
@click.option("--secrets", "named", help="Secrets file; default: beside the spec.")
@click.option(
    "--role",
    type=click.Choice(["control-plane", "worker", "etcd", "load-balancer"]),
    help="Its role, if the spec no longer lists it.",
)
@click.option("--address", help="Its address, if the spec no longer lists it.")
def remove(spec: Path, name: str, named: str | None, role: str | None, address: str | None) -> None:
    """Record that node NAME leaves the cluster for good.

    Then take it out of the spec and render.

    Its etcd member and its Node stay until they are removed: the next control plane or etcd host
    waits for that, and names the command.
    """
    from khgen.cli.removing import RemoveRequest, remove_node

    request = RemoveRequest(spec=spec, name=name, secrets=named, role=role, address=address)
    click.echo("\n".join(remove_node(request)))
