"""Free-form mappings of the spec: what khgen hands on to programs that read YAML another way."""

from collections.abc import Iterator

from khgen.problems import Finding, Step, ValuePath
from khgen.spec.model.values import PlainWord, quoted
from khgen.spec.yaml_nodes import OTHER_WORDS, PlainValue

EVERY = "*"
"""Stands for each entry of a list."""
FREE_FORM: tuple[ValuePath, ...] = (
    ("kubernetes", "kubelet", "config"),
    ("kubernetes", "kubeProxy", "config"),
    ("userData", "extra"),
    ("nodes", EVERY, "network", "raw"),
)
"""Where the schema has a Passthrough; a test compares."""


def unclear_words(document: PlainValue) -> Iterator[Finding]:
    """Unquoted words like yes and off: text in YAML 1.2, a boolean to cloud-init and Kubernetes."""
    for path in FREE_FORM:
        for place, value in _values(document, path):
            yield from _words_in(value, place)


def _values(value: PlainValue, path: ValuePath) -> Iterator[tuple[ValuePath, PlainValue]]:
    """Each value at a path, with its place."""
    found: list[tuple[ValuePath, PlainValue]] = [((), value)]
    for step in path:
        found = [
            ((*place, key), item)
            for place, holder in found
            for key, item in _items(holder)
            if step in {key, EVERY}
        ]
    yield from found


def _items(value: PlainValue) -> Iterator[tuple[Step, PlainValue]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _words_in(value: PlainValue, path: ValuePath) -> Iterator[Finding]:
    if isinstance(value, PlainWord):
        meant = OTHER_WORDS[value]
        message = (
            f"{quoted(value)} without quotes is text to khgen, {meant} to others that read YAML"
        )
        hint = f'write {meant}, or "{value}" in quotes if text is meant'
        yield Finding(path=path, message=message, hint=hint)
    for step, item in _items(value):
        yield from _words_in(item, (*path, step))
