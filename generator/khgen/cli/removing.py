"""What `khgen node remove` does: records that a node left, and says what is left to do."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError

from khgen.cli.certificates import Renewal, mending_of
from khgen.cli.inputs import changed_file, identity_problems, now, read_inputs, read_secrets
from khgen.cli.outcome import Report, wrote
from khgen.disk.secrets_file import extend
from khgen.pki.secrets import last_removal, with_removed
from khgen.spec.model import ClusterSpec, NodeRole
from khgen.spec.model.cluster import EtcdTopology
from khgen.spec.model.texts import NodeName
from khgen.spec.model.values import IPAddress

_IN_KUBERNETES = frozenset({NodeRole.CONTROL_PLANE, NodeRole.WORKER})


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRequest:
    """What the user asked for; role and address only where the spec no longer has them."""

    spec: Path
    name: str
    secrets: str | None
    role: str | None
    address: str | None


def remove_node(request: RemoveRequest) -> list[str]:
    """Record the removal in the secrets file; returns what was done, and what to do next."""
    report = Report()
    inputs = read_inputs(request.spec, report)
    role, address = _left(inputs.spec, request)
    source = read_secrets(inputs, request.secrets, report, must_exist=True)
    report.add(identity_problems(inputs, source), {})
    report.stop_if_fatal()
    path, earlier = changed_file(source, "node remove"), last_removal(source.secrets, request.name)
    if earlier is not None:
        return [f"{path}: {request.name} was removed on {earlier.removed_at:%Y-%m-%d} already"]
    renewal = _removal(request.name, role, address)
    mending = mending_of(inputs, source.secrets, report, renewal)
    extend(path, renewal.change, source.key, mending.mend)
    wrote(path)
    return [
        *mending.notes,
        f"{path}: {request.name} ({role}, {address}) is removed",
        *_next(inputs.spec, request, role),
    ]


def _removal(name: str, role: NodeRole, address: IPAddress) -> Renewal:
    today = now()
    return Renewal(names=(name,), change=lambda old: with_removed(old, name, role, address, today))


def _left(spec: ClusterSpec, request: RemoveRequest) -> tuple[NodeRole, IPAddress]:
    found = next((node for node in spec.nodes if node.name == request.name), None)
    given = request.role, request.address
    if found is not None:
        if any(given):
            message = f"the spec lists '{request.name}': leave out --role and --address"
            raise click.UsageError(message)
        return found.role, found.address
    if request.role is None or request.address is None:
        message = (
            f"no node '{request.name}' in the spec; if it was taken out already,"
            " add --role and --address"
        )
        raise click.UsageError(message)
    return NodeRole(request.role), _checked(request.name, request.address)


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


def _next(spec: ClusterSpec, request: RemoveRequest, role: NodeRole) -> list[str]:
    stacked = spec.etcd.topology is EtcdTopology.STACKED
    lines = []
    if any(node.name == request.name for node in spec.nodes):
        lines.append(f"next: take {request.name} out of {request.spec}, then render it")
    if role in _IN_KUBERNETES:
        lines.append(f"its Node: kubectl delete node {request.name}")
    if role is NodeRole.ETCD or (stacked and role is NodeRole.CONTROL_PLANE):
        lines.append(
            "its etcd member: the next one that joins waits until it is gone, and names the command"
        )
    return lines
