"""The part of a faulty document that is sound, so that it can be checked in the same run."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from khgen.problems import Finding, ValuePath
from khgen.spec.model import ClusterSpec
from khgen.spec.schema_errors import path_of
from khgen.spec.yaml_nodes import PlainValue

ATTEMPTS = 4
_Mapping = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A model of what is sound, and what of the document it leaves out."""

    spec: ClusterSpec
    broken: frozenset[ValuePath]
    """Paths whose values are stand-ins: no check that reads them may run."""
    node_indexes: tuple[int, ...]
    """The place in the document's list of each node of the model."""
    all_nodes: bool
    """Whether every node of the document is in the model."""

    def restored(self, finding: Finding) -> Finding:
        """The finding with the node's place in the document, not in the model."""
        path = finding.path
        if len(path) > 1 and path[0] == "nodes" and isinstance(path[1], int):
            return replace(finding, path=("nodes", self.node_indexes[path[1]], *path[2:]))
        return finding


def sound_part(value: PlainValue, errors: Sequence[ErrorDetails]) -> Sound | None:
    """What can be checked although the schema found errors; None if nothing can."""
    if not isinstance(value, dict):
        return None
    broken: set[ValuePath] = set()
    indexes = _indexes(value)
    count = len(indexes)
    for _ in range(ATTEMPTS):
        bad_nodes = {path[1] for path in map(path_of, errors) if _in_a_node(path)}
        for error in errors:
            path = path_of(error)
            if not _in_a_node(path):
                _remove(value, path)
                if error["type"] != "extra_forbidden":
                    broken.add(path)
        indexes = _drop_nodes(value, indexes, bad_nodes)
        broken |= _fill(value)
        try:
            spec = ClusterSpec.model_validate(value)
        except ValidationError as error:
            errors = error.errors(include_url=False)
        else:
            return Sound(
                spec=spec,
                broken=frozenset(broken),
                node_indexes=indexes or (0,),
                all_nodes=len(indexes) == count,
            )
    return None


def _in_a_node(path: ValuePath) -> bool:
    return len(path) > 1 and path[0] == "nodes" and isinstance(path[1], int)


def _indexes(value: _Mapping) -> tuple[int, ...]:
    nodes = value.get("nodes")
    return tuple(range(len(nodes))) if isinstance(nodes, list) else ()


def _drop_nodes(
    value: _Mapping, indexes: tuple[int, ...], bad: Collection[object]
) -> tuple[int, ...]:
    if not bad:
        return indexes
    kept = [place for place in range(len(indexes)) if place not in bad]
    value["nodes"] = [value["nodes"][place] for place in kept]
    return tuple(indexes[place] for place in kept)


def _remove(value: _Mapping, path: ValuePath) -> None:
    """Take away the innermost mapping's key on the way to a value."""
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
    """Put stand-ins where a required value is missing; the paths of those."""
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
    return filled


_STAND_INS: tuple[tuple[ValuePath, object], ...] = (
    (("apiVersion",), "khgen/v1alpha1"),
    (("kind",), "Cluster"),
    (("metadata", "name"), "stand-in"),
    (("controlPlaneEndpoint",), {"host": "stand-in"}),
    (("os", "family"), "debian"),
    (("os", "release"), "12"),
    (("nodes",), [{"name": "stand-in", "role": "control-plane", "address": "192.0.2.1"}]),
)
