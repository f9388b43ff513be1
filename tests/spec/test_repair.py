"""Wrong values that take more than themselves away: the checks run on the rest all the same."""

from collections.abc import Iterator
from typing import get_args, get_origin

import pytest
from pydantic import BaseModel

from khgen.spec.model import ClusterSpec
from khgen.spec.model.machine import NodeSpec
from khgen.spec.repair import ATTEMPTS
from support.spec_texts import loaded

REPLACED = ("metadata", "controlPlaneEndpoint", "os")
"""Required mappings: a stand-in takes the place of one that is wrong, so they are never removed."""
NODE = "nodes.3"


def model_in(annotation: object) -> type[BaseModel] | None:
    """The model of a mapping. A list with a wrong entry is removed as a whole, at once."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = () if get_origin(annotation) is tuple else get_args(annotation)
    return next((found for argument in inner if (found := model_in(argument))), None)


def nested(model: type[BaseModel], path: str = "", depth: int = 0) -> Iterator[tuple[str, int]]:
    """Each required key below an optional mapping, with how many required ones nest there."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        here = f"{path}.{key}" if path else key
        inner = model_in(field.annotation)
        own = depth + 1 if field.is_required() and path not in {"", NODE, *REPLACED} else 0
        if own:
            yield here, own
        if inner is not None:
            yield from nested(inner, here, own)


REQUIRED = dict([*nested(ClusterSpec), *nested(NodeSpec, NODE)])


def test_there_are_as_many_attempts_as_required_keys_nest() -> None:
    """The first removes the wrong value, each further one a mapping that now lacks a key."""
    assert max(REQUIRED.values()) + 1 == ATTEMPTS


@pytest.mark.parametrize("mapping", sorted({path.rpartition(".")[0] for path in REQUIRED}))
def test_wrong_values_of_an_optional_mapping_hide_no_other_mistake(mapping: str) -> None:
    keys = [path.rpartition(".")[2] for path in REQUIRED if path.startswith(f"{mapping}.")]
    found = loaded({mapping: {key: {"a": "b"} for key in keys}, "etcd.dataDir": "/"}).problems
    wrong = [
        p.place.path
        for p in found
        if p.message.startswith("expected ") or " is not a duration " in p.message
    ]
    assert wrong == [f"{mapping.replace(NODE, 'nodes[3]')}.{key}" for key in keys]
    assert [p.message for p in found if p.place.path == "etcd.dataDir"] == [
        "'/' is a system folder: etcd needs one for its data alone"
    ]
