"""`khgen node`: what happens to a single machine."""

from ipaddress import ip_address
from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError

from khgen.cli.inputs import (
    changed_file,
    identity_problems,
    no_such_node,
    now,
    read_inputs,
    read_secrets,
)
from khgen.cli.options import CHANGED_SECRETS, secrets_option, spec_argument
from khgen.cli.outcome import Report, wrote
from khgen.cli.renewal import Renewal, change_secrets, mending_of
from khgen.disk.secrets_file import extend
from khgen.pki.secrets import last_removal, with_removed, with_replaced
from khgen.spec.model import ClusterSpec, NodeRole
from khgen.spec.model.cluster import EtcdTopology
from khgen.spec.model.texts import NodeName
from khgen.spec.model.values import IPAddress

_IN_KUBERNETES = frozenset({NodeRole.CONTROL_PLANE, NodeRole.WORKER})


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
    today = now()
    renewal = Renewal(names=(name,), change=lambda old: with_replaced(old, name, today))
    path, notes = change_secrets(spec, named, renewal)
    for note in notes:
        click.echo(note)
    click.echo(f"{path}: {name} joins with a fresh identity; next: khgen render {spec}")


@node.command()
@spec_argument
@click.argument("name")
@secrets_option(CHANGED_SECRETS)
@click.option(
    "--role",
    type=click.Choice([role.value for role in NodeRole]),
    help="Its role, if the spec no longer lists it.",
)
@click.option("--address", help="Its address, if the spec no longer lists it.")
def remove(spec: Path, name: str, named: str | None, role: str | None, address: str | None) -> None:
    """Record that node NAME leaves the cluster for good.

    Then take it out of the spec and render.

    Its etcd member and its Node stay until they are removed: the next control plane or etcd host
    waits for that, and names the command.
    """
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


def _removal(name: str, role: NodeRole, address: IPAddress) -> Renewal:
    today = now()
    return Renewal(names=(name,), change=lambda old: with_removed(old, name, role, address, today))


def _left(
    spec: ClusterSpec, name: str, role: str | None, address: str | None
) -> tuple[NodeRole, IPAddress]:
    """The role and the address of the node that leaves; given by the user if the spec has none."""
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
