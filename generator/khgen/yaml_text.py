"""YAML from plain data, in block style, the same bytes everywhere."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import yaml

YamlValue = str | int | float | bool | None | Sequence["YamlValue"] | Mapping[str, "YamlValue"]

_Emitter = getattr(yaml, "CDumper", yaml.Dumper)
_resolver = yaml.resolver.Resolver()
_SCALAR_IN_ANOTHER_YAML = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?0[xXoObB][0-9a-fA-F]+"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*"
    r"|[yYnN]"
)
"""Scalars that YAML 1.2 parsers, or Go's, read differently from PyYAML's YAML 1.1.

Go's (gopkg.in/yaml.v2 resolve.go) ignores underscores, and accepts dates with one-digit months.
"""
_NEEDS_ESCAPES = re.compile(
    "[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[\u2028\u2029]"
)
"""Characters that need double quotes: line breaks except \\n, which readers fold or read as \\n, and
characters that YAML does not allow unescaped."""
_END_MARK = "...\n"


def dump_yaml(*documents: YamlValue) -> str:
    """The documents as one YAML text, keys in the order given, lines never folded."""
    events: list[yaml.Event] = [yaml.StreamStartEvent()]
    for number, document in enumerate(documents, start=1):
        events.append(yaml.DocumentStartEvent(explicit=len(documents) > 1))
        events.extend(_events(document))
        # The emitter writes an end mark after some last scalars. An explicit end writes it always, so
        # the text that is cut off below is never part of a value.
        events.append(yaml.DocumentEndEvent(explicit=number == len(documents)))
    events.append(yaml.StreamEndEvent())
    text: str = yaml.emit(events, Dumper=_Emitter, width=1 << 20, allow_unicode=True)
    return text.removesuffix(_END_MARK)


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
    # YAML 1.1 reads a number with an exponent but without a point as text.
    text = repr(value)
    return text if "." in text else text.replace("e", ".0e")


@lru_cache(maxsize=4096)
def _implicit(text: str) -> tuple[bool, bool]:
    return (not _needs_quotes(text), True)


@lru_cache(maxsize=4096)
def _needs_quotes(text: str) -> bool:
    tag = _resolver.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return tag != "tag:yaml.org,2002:str" or bool(
        _SCALAR_IN_ANOTHER_YAML.fullmatch(text.replace("_", ""))
    )


def _style(text: str) -> str | None:
    if _NEEDS_ESCAPES.search(text):
        return '"'
    if "\n" in text:
        return "|"
    return '"' if _needs_quotes(text) and text.isascii() else None
