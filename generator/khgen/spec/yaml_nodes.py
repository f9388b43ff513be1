"""YAML's events, and what a scalar means.

Read from libyaml's events, not from composed nodes: composing recurses in C without a bound (a
line of 200,000 brackets ends the process), and events are four times as fast. Only YAML 1.2's
plainest words are resolved: null, true, false and decimal integers; all else stays as written.
"""

import re
from collections.abc import Iterator
from math import isfinite

import yaml

from khgen.spec.model.values import PlainNumber, PlainWord
from khgen.spec.source import LINE_END

PlainValue = str | int | bool | None | list["PlainValue"] | dict[str, "PlainValue"]

MAX_DEPTH = 64
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}
OTHER_WORDS: dict[str, str] = {
    **dict.fromkeys(("True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), "true"),
    **dict.fromkeys(("False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), "false"),
    **dict.fromkeys(("Null", "NULL"), "null"),
}
"""Words that YAML 1.1 readers, cloud-init and Kubernetes among them, take for one of the above."""
_NUMBER = re.compile(
    r"(-?(?:0|[1-9][0-9]{0,17}))|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)"
    r"(?:[eE][-+]?[0-9]{1,3})?"
)
_INTEGER_LIKE = re.compile(r"[-+]?[0-9]+")


class NestingError(Exception):
    """The document is nested deeper than any cluster.yaml can be."""

    def __init__(self, event: yaml.Event) -> None:
        """Deeper than allowed at this event."""
        super().__init__()
        self.event = event


def events_of(text: str) -> Iterator[yaml.Event]:
    """libyaml's events, as far as the text can be parsed; NestingError past MAX_DEPTH."""
    loader = _Loader(text)
    depth = 0
    while (event := loader.get_event()) is not None:  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise NestingError(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        yield event


def scalar_value(event: yaml.ScalarEvent) -> PlainValue:
    """What a scalar means."""
    text: str = event.value
    if event.style or event.tag is not None:  # libyaml: "" where it is plain
        return text
    if text in _WORDS:
        return _WORDS[text]
    match = _NUMBER.fullmatch(text)
    if match is None:
        return PlainWord(text) if text in OTHER_WORDS else text
    if match[1] is not None:
        return int(text)
    if _INTEGER_LIKE.fullmatch(text) or not isfinite(float(text)):
        return text
    return PlainNumber(text)


def syntax_fault(error: yaml.YAMLError, text: str) -> tuple[str, str, int, int]:
    """Message, hint, line and column of what libyaml could not parse."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = getattr(error, "problem", None) or str(error).partition("\n")[0]
    if mark is None:
        return f"not YAML: {said}", "", 1, 1
    lines = LINE_END.split(text)
    line, column = min(mark.line, len(lines) - 1), mark.column
    rest = lines[line][column:]
    hint = "indent with spaces, not with tabs" if rest.startswith("\t") else ""
    context = getattr(error, "context", None)
    begun = getattr(error, "context_mark", None)
    if begun is not None and begun.line < line and not hint:
        hint = f"what is being read here begins in line {begun.line + 1}, column {begun.column + 1}"
    message = f"not YAML: {said}" + (f", {context}" if context else "")
    return message, hint, line + 1, column + 1
