"""YAML from plain data, in block style, the same bytes everywhere."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import yaml

YamlValue = str | int | float | bool | None | Sequence["YamlValue"] | Mapping[str, "YamlValue"]

_Emitter = getattr(yaml, "CDumper", yaml.Dumper)
_resolver = yaml.resolver.Resolver()
_SCALAR_IN_ANOTHER_YAML = re.compile(
    r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0[xob][0-9a-fA-F_]+|[yYnN]"
)
"""What YAML 1.2 parsers, or Go's, would read as something else than PyYAML's YAML 1.1 does."""


def dump_yaml(*documents: YamlValue) -> str:
    """The documents as one YAML text, keys in the order given, lines never folded."""
    events: list[yaml.Event] = [yaml.StreamStartEvent()]
    for document in documents:
        events.append(yaml.DocumentStartEvent(explicit=len(documents) > 1))
        events.extend(_events(document))
        events.append(yaml.DocumentEndEvent(explicit=False))
    events.append(yaml.StreamEndEvent())
    text: str = yaml.emit(events, Dumper=_Emitter, width=1 << 20, allow_unicode=True)
    # The emitter ends an open-ended last scalar with a document end mark, which nothing here needs.
    return text.removesuffix("...\n")


def _events(value: YamlValue) -> Iterator[yaml.Event]:
    if isinstance(value, str):
        yield yaml.ScalarEvent(None, None, _implicit(value), value, style=_style(value))
    elif isinstance(value, Mapping):
        yield yaml.MappingStartEvent(None, None, implicit=True, flow_style=not value)
        for key, item in value.items():
            yield from _events(key)
            yield from _events(item)
        yield yaml.MappingEndEvent()
    elif isinstance(value, Iterable):
        yield yaml.SequenceStartEvent(None, None, implicit=True, flow_style=not value)
        for item in value:
            yield from _events(item)
        yield yaml.SequenceEndEvent()
    else:
        yield yaml.ScalarEvent(None, None, (True, False), _number_text(value))


def _number_text(value: float | bool | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


@lru_cache(maxsize=4096)
def _implicit(text: str) -> tuple[bool, bool]:
    return (not _needs_quotes(text), True)


@lru_cache(maxsize=4096)
def _needs_quotes(text: str) -> bool:
    tag = _resolver.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return tag != "tag:yaml.org,2002:str" or bool(_SCALAR_IN_ANOTHER_YAML.fullmatch(text))


def _style(text: str) -> str | None:
    if "\n" in text:
        return "|"
    return '"' if _needs_quotes(text) and text.isascii() else None
