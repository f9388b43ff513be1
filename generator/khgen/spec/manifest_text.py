"""Manifests beside the spec: whether each is a file of Kubernetes objects, with line and column."""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from khgen.problems import Place, Problem
from khgen.spec.model.values import quoted
from khgen.spec.source import BYTE_ORDER_MARK, text_fault
from khgen.spec.yaml_nodes import MAX_DEPTH, NestingError, events_of, syntax_fault
from khgen.spec.yaml_reader import event_place

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SPOKEN = {yaml.ScalarNode: "text", yaml.SequenceNode: "a list", yaml.MappingNode: "a mapping"}
_TEMPLATE = "render a Helm chart first: helm template"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The objects of a file as YAML nodes, or what is wrong with it."""

    objects: tuple[yaml.MappingNode, ...]
    problems: tuple[Problem, ...]


def read_manifest(text: str, file: str) -> Manifest:
    """The objects in a manifest; bytes that are not UTF-8 arrive as surrogates."""
    text = text.removeprefix(BYTE_ORDER_MARK)
    fault = _binary(text, file) or text_fault(text, file) or _unreadable(text, file)
    if fault is not None:
        return Manifest(objects=(), problems=(fault,))
    documents = list(yaml.compose_all(text, Loader=_Loader))
    found = [entry for document in documents for entry in _entries(document)]
    problems = [problem for entry in found for problem in _faults(entry, file)]
    if not found:
        place = Place(file=file, line=1, column=1)
        problems = [Problem(message="there is no Kubernetes object in this file", place=place)]
    objects = tuple(entry for entry in found if isinstance(entry, yaml.MappingNode))
    return Manifest(objects=objects, problems=tuple(problems))


def at(node: yaml.Node | None, *steps: str) -> yaml.Node | None:
    """The node below a node, by the keys of mappings."""
    for step in steps:
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        node = next((value for key, value in pairs if key.value == step), None)
    return node


def items(node: yaml.Node | None) -> Iterator[yaml.Node]:
    """The entries of a list; none of anything else."""
    if isinstance(node, yaml.SequenceNode):
        yield from node.value


def text_of(node: yaml.Node | None) -> str:
    """The text of a scalar; "" of anything else."""
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def place_of(node: yaml.Node, file: str) -> Place:
    """Where a node begins; what is on one line is as wide as it is."""
    start, end = node.start_mark, node.end_mark
    one_line = isinstance(node, yaml.ScalarNode) and end.line == start.line
    width = max(1, end.column - start.column) if one_line else 1
    return Place(file=file, line=start.line + 1, column=start.column + 1, width=width)


def _binary(text: str, file: str) -> Problem | None:
    place = Place(file=file, line=1, column=1)
    message = "this is a binary file, not YAML"
    return Problem(message=message, place=place) if "\0" in text else None


def _unreadable(text: str, file: str) -> Problem | None:
    try:
        for _ in events_of(text):
            pass
        for _ in yaml.compose_all(text, Loader=_Loader):  # aliases of nothing
            pass
    except yaml.YAMLError as error:
        message, hint, line, column = syntax_fault(error, text)
        place = Place(file=file, line=line, column=column)
        return Problem(message=message, place=place, hint=_TEMPLATE if "{{" in text else hint)
    except NestingError as error:
        message = f"nested more than {MAX_DEPTH} levels deep"
        return Problem(message=message, place=event_place(error.event, file))
    return None


def _entries(document: yaml.Node | None) -> Iterator[yaml.Node]:
    """The objects of a document: itself, those of a list, or none of an empty one."""
    if document is None or (isinstance(document, yaml.ScalarNode) and not document.value):
        return
    listed = at(document, "items")
    if text_of(at(document, "kind")).endswith("List") and isinstance(listed, yaml.SequenceNode):
        yield from listed.value
    else:
        yield document


def _faults(entry: yaml.Node, file: str) -> Iterator[Problem]:
    place = place_of(entry, file)
    if not isinstance(entry, yaml.MappingNode):
        message = f"a Kubernetes object is a mapping, this is {_SPOKEN[type(entry)]}"
        yield Problem(message=message, place=place)
        return
    missing = [key for key in ("apiVersion", "kind") if not text_of(at(entry, key))]
    names = (at(entry, "metadata", "name"), at(entry, "metadata", "generateName"))
    if not any(map(text_of, names)):
        missing.append("metadata.name")
    if missing and at(entry, "<<") is None:
        kind = text_of(at(entry, "kind"))
        what = f"{quoted(kind)} lacks" if kind else "no Kubernetes object: it lacks"
        message = f"{what} {', '.join(missing)}"
        yield Problem(message=message, place=place, hint="give what kubectl create needs")
