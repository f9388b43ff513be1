"""The removed nodes of a secrets file, each with what is needed to find its traces."""

import re
from datetime import UTC, datetime
from ipaddress import ip_address

import yaml

from khgen.pki.secrets_reader import SecretsReader
from khgen.pki.secrets_values import count, moment
from khgen.plan.cluster_plan import RemovedNode
from khgen.problems import ValuePath
from khgen.spec.model import NodeRole
from khgen.spec.model.values import IPAddress

_KEYS = ("name", "role", "address", "removedAt", "machines")
_NAME = re.compile("[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def removed_nodes(reader: SecretsReader, node: yaml.Node | None) -> tuple[RemovedNode, ...]:
    """The removed nodes in the order of the file; files from before there were any have none."""
    if node is None:
        return ()
    if not isinstance(node, yaml.SequenceNode):
        reader.fail(node, ("removed",), "a list is expected here")
        return ()
    return tuple(
        _removed_node(reader, entry, ("removed", index)) for index, entry in enumerate(node.value)
    )


def _removed_node(reader: SecretsReader, entry: yaml.Node, path: ValuePath) -> RemovedNode:
    fields = reader.fields(entry, path, _KEYS)
    parts = {key: reader.required(fields, entry, (*path, key)) for key in _KEYS}
    never, nowhere = datetime.min.replace(tzinfo=UTC), ip_address("0.0.0.0")  # noqa: S104
    return RemovedNode(
        name=reader.value(parts["name"], (*path, "name"), _name, ""),
        role=reader.value(parts["role"], (*path, "role"), _role, NodeRole.WORKER),
        address=reader.value(parts["address"], (*path, "address"), _address, nowhere),
        removed_at=reader.value(parts["removedAt"], (*path, "removedAt"), moment, never),
        machines=reader.value(parts["machines"], (*path, "machines"), count, 0),
    )


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        message = "a node's name is expected"
        raise ValueError(message)
    return text


def _role(text: str) -> NodeRole:
    try:
        return NodeRole(text)
    except ValueError:
        message = f"one of {', '.join(NodeRole)} is expected"
        raise ValueError(message) from None


def _address(text: str) -> IPAddress:
    try:
        return ip_address(text)
    except ValueError:
        message = "an IP address is expected"
        raise ValueError(message) from None
