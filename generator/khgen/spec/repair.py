"""The valid part of a document with errors, so that the checks run on it too."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from khgen.problems import ValuePath
from khgen.spec.model import ClusterSpec
from khgen.spec.schema_errors import path_of
from khgen.yaml_reader import PlainValue

ATTEMPTS = 2
"""A value that is removed can be a required key of an optional mapping, which is then removed too."""
_Mapping = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A model of the valid part, with every node of the document in its place."""

    spec: ClusterSpec
    broken: frozenset[ValuePath]
    """Paths whose values are stand-ins or missing: checks that read them do not run."""


def sound_part(
    value: PlainValue, errors: Sequence[ErrorDetails], broken: Iterable[ValuePath]
) -> Sound | None:
    """The part that can be checked although the schema found errors; None if there is none.

    Values at the paths in `broken` are wrong because of another fault.
    """
    if not isinstance(value, dict):
        return None
    found = set(broken)
    for path in found:
        _remove(value, path)
    for _ in range(ATTEMPTS):
        for error in errors:
            path = path_of(error)
            _remove(value, path)
            if error["type"] != "extra_forbidden":
                found.add(path)
        found |= _fill(value)
        try:
            spec = ClusterSpec.model_validate(value)
        except ValidationError as error:
            errors = error.errors(include_url=False)
        else:
            return Sound(spec=spec, broken=frozenset(found))
    return None


def _remove(value: _Mapping, path: ValuePath) -> None:
    """Remove the key of the innermost mapping on the path; replace a node that is no mapping."""
    nodes = value.get("nodes")
    if len(path) > 1 and path[0] == "nodes" and isinstance(nodes, list):
        place = path[1]
        if isinstance(place, int) and place < len(nodes):
            node = nodes[place]
            if len(path) == 2 or not isinstance(node, dict):
                nodes[place] = {}
            else:
                _remove_key(node, path[2:])
        return
    _remove_key(value, path)


def _remove_key(value: _Mapping, path: ValuePath) -> None:
    holder, key = value, path[0] if path else ""
    current: PlainValue = value
    for step in path:
        if isinstance(current, dict) and isinstance(step, str):
            if step not in current:
                break
            holder, key, current = current, step, current[step]
        elif isinstance(current, list) and isinstance(step, int) and step < len(current):
            current = current[step]
        else:
            break
    holder.pop(cast("str", key), None)


def _fill(value: _Mapping) -> set[ValuePath]:
    """Put stand-ins in place of missing required values; returns their paths."""
    filled: set[ValuePath] = set()
    for path, stand_in in _STAND_INS:
        holder: Any = value
        for step in path[:-1]:
            holder = holder.setdefault(str(step), {})
            if not isinstance(holder, dict):
                break
        if isinstance(holder, dict) and not holder.get(str(path[-1])):
            holder[str(path[-1])] = stand_in
            filled.add(path)
    for place, node in enumerate(value["nodes"]):
        for key, stand_in in _NODE_STAND_INS.items() if isinstance(node, dict) else ():
            if key not in node:
                node[key] = stand_in.format(place)
                filled.add(("nodes", place, key))
    return filled


_NODE_STAND_INS = {"name": "stand-in-{}", "role": "worker", "address": "192.0.2.1"}
_STAND_INS: tuple[tuple[ValuePath, object], ...] = (
    (("apiVersion",), "khgen/v1alpha1"),
    (("kind",), "Cluster"),
    (("metadata", "name"), "stand-in"),
    (("controlPlaneEndpoint",), {"host": "stand-in"}),
    (("os", "family"), "debian"),
    (("os", "release"), "12"),
    (("nodes",), [{"name": "stand-in", "role": "control-plane", "address": "192.0.2.1"}]),
)
