"""YAML as khgen reads it: cluster.yaml, the secrets file and manifests.

Read from libyaml's events, not from composed nodes: composing recurses in C without a bound (a
line of 200,000 brackets ends the process), and events are four times as fast. Only YAML 1.2's
simplest words are resolved: null, true, false and decimal integers. Everything else stays text.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NamedTuple

import yaml

from khgen.problems import BYTE_ORDER_MARK, LINE_END, Place, Problem, Step, ValuePath, quoted

PlainValue = str | int | bool | None | list["PlainValue"] | dict[str, "PlainValue"]

MAX_DEPTH = 64
LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where PyYAML was built with it."""
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}
OTHER_WORDS: dict[str, str] = {
    **dict.fromkeys(("True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), "true"),
    **dict.fromkeys(("False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), "false"),
    **dict.fromkeys(("Null", "NULL"), "null"),
}
"""Words that YAML 1.1 readers (cloud-init, Kubernetes) read as true, false or null."""
_NUMBER = re.compile(
    r"(-?(?:0|[1-9][0-9]{0,17}))|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)"
    r"(?:[eE][-+]?[0-9]{1,3})?"
)
_INTEGER_LIKE = re.compile(r"[-+]?[0-9]+")
MASK = "\N{REPLACEMENT CHARACTER}"
_NOT_PRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
IGNORED = "\0 not kept"
"""Key of a value that is read but not kept; compared by identity, as a file can have this text."""
TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})


class PlainNumber(str):
    """A number with a fraction or an exponent, as it was written.

    `1.30` stays text, so that a version stays a version; free-form mappings, which want a number,
    turn it into one.
    """

    __slots__ = ()


class PlainWord(str):
    """An unquoted word that other readers of YAML take for a boolean or null, like yes or off.

    It is text here, as in YAML 1.2; in a free-form mapping its meaning is unclear.
    """

    __slots__ = ()


class NestingError(Exception):
    """The document is nested deeper than MAX_DEPTH."""

    def __init__(self, event: yaml.Event) -> None:
        """The event is the first that is nested too deep."""
        super().__init__()
        self.event = event


def events_of(text: str) -> Iterator[yaml.Event]:
    """libyaml's events, as far as the text can be parsed; NestingError past MAX_DEPTH."""
    loader = LOADER(text)
    depth = 0
    while (event := loader.get_event()) is not None:  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise NestingError(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        yield event


def read_documents(text: str, file: str) -> tuple[tuple[yaml.Node, ...], Problem | None]:
    """The documents of a text as nodes, or the problem that makes it no YAML."""
    fault = text_fault(text, file)
    if fault is not None:
        return (), fault
    try:
        for _ in events_of(text):
            pass
        documents = tuple(yaml.compose_all(text, Loader=LOADER))
    except yaml.YAMLError as error:
        return (), _syntax_problem(error, text, file)
    except NestingError as error:
        return (), _nesting_problem(error, file)
    return documents, None


def _syntax_problem(error: yaml.YAMLError, text: str, file: str) -> Problem:
    message, hint, line, column = syntax_fault(error, text)
    place = Place(file=file, line=line, column=column)
    return Problem(message=message, place=place, hint=hint)


def _nesting_problem(error: NestingError, file: str) -> Problem:
    message = f"nested more than {MAX_DEPTH} levels deep"
    return Problem(message=message, place=event_place(error.event, file))


def scalar_value(event: yaml.ScalarEvent) -> PlainValue:
    """The value of a scalar."""
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
    """Message, hint, line and column of a syntax error."""
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
        hint = f"the unfinished part starts at line {begun.line + 1}, column {begun.column + 1}"
    message = f"not YAML: {said}" + (f", {context}" if context else "")
    return message, hint, line + 1, column + 1


def text_fault(text: str, file: str) -> Problem | None:
    """The first character that YAML does not allow, as a problem; None if there is none.

    Bytes that are not UTF-8 arrive as surrogates (Python's error handler "surrogateescape").
    """
    found = _NOT_PRINTABLE.search(text, 1 if text.startswith(BYTE_ORDER_MARK) else 0)
    if found is None:
        return None
    place = place_in(text, found.start(), file)
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        message = f"byte 0x{code - 0xDC00:02x} is not valid UTF-8"
        return Problem(message=message, place=place, hint="save the file as UTF-8")
    message = f"control character {code_point(found[0])} is not allowed in YAML"
    return Problem(message=message, place=place, hint="delete it")


def masked(text: str) -> str:
    """The text with MASK in place of each character that YAML does not allow."""
    return _NOT_PRINTABLE.sub(MASK, text)


def not_allowed(text: str) -> str | None:
    """The first character of a value that YAML does not allow without an escape."""
    found = _NOT_PRINTABLE.search(text)
    return None if found is None else found[0]


def code_point(character: str) -> str:
    """A character as Unicode writes it: U+0000."""
    return f"U+{ord(character):04X}"


def place_in(text: str, offset: int, file: str) -> Place:
    """The line and column of a character."""
    line, start = 1, 0
    for end in LINE_END.finditer(text, 0, offset):
        line, start = line + 1, end.end()
    return Place(file=file, line=line, column=offset - start + 1)


class Located(NamedTuple):
    """The event of a value and that of its key."""

    event: yaml.Event
    key_event: yaml.Event | None

    def place(self, file: str, *, at_key: bool) -> Place:
        """The place of the value (or its key); an empty value has the place of its key."""
        event = self.event
        empty = isinstance(event, yaml.ScalarEvent) and not event.value and not event.style
        return event_place((self.key_event if at_key or empty else None) or event, file)


def event_place(event: yaml.Event, file: str) -> Place:
    """The place of an event; one that fits on a line has its width, any other a width of 1."""
    start, end = event.start_mark, event.end_mark
    if start is None or end is None:
        return Place(file=file, line=1, column=1)
    one_line = isinstance(event, yaml.ScalarEvent | yaml.AliasEvent) and end.line == start.line
    width = max(1, end.column - start.column) if one_line else 1
    return Place(file=file, line=start.line + 1, column=start.column + 1, width=width)


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that is still being read."""

    items: dict[str, PlainValue] | list[PlainValue]
    path: ValuePath
    key: str | None = None
    key_event: yaml.ScalarEvent | None = None

    @property
    def wants_key(self) -> bool:
        return self.key is None and isinstance(self.items, dict)

    def add(self, value: PlainValue) -> None:
        if isinstance(self.items, list):
            self.items.append(value)
            return
        if self.key is not None and self.key is not IGNORED:
            self.items[self.key] = value
        self.key = self.key_event = None

    def step(self) -> Step:
        return len(self.items) if isinstance(self.items, list) else self.key or ""


@dataclass(slots=True)
class YamlReader:
    """A document being read: its value, its faults and, if asked for, the place of every value."""

    file: str
    places: dict[ValuePath, Located] | None = None
    masked: bool = False
    """Whether the text is masked: a value with MASK in it is broken."""
    value: PlainValue = None
    faults: list[Problem] = field(default_factory=list)
    broken: set[ValuePath] = field(default_factory=set)
    """Paths whose values are wrong because of a fault."""
    unreadable: bool = False
    """Whether the parser stopped before the end: the value is incomplete."""
    _stack: list[_Open] = field(default_factory=list)
    _documents: int = 0

    def read(self, text: str) -> None:
        """Read the text; YAML that cannot be parsed is a fault too."""
        try:
            for event in events_of(text):
                handler = _HANDLERS.get(type(event))
                if handler is not None:
                    handler(self, event)
                if self._documents > 1:
                    break
        except yaml.YAMLError as error:
            self.faults.append(_syntax_problem(error, text, self.file))
            self.unreadable = True
        except NestingError as error:
            self.faults.append(_nesting_problem(error, self.file))
            self.unreadable = True

    def _document(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            hint = "use one file for each cluster"
            self._add("a second document starts here", self._place(event), hint)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        if event.tag is not None:
            self._check_tag(event)
        faulty = self._has_faulty_characters(event)
        if self._stack and self._stack[-1].wants_key:
            self._key(self._stack[-1], event, faulty=faulty)
            return
        if faulty:
            self.broken.add(self._next_path())
        self._attach(event, scalar_value(event))

    def _key(self, top: _Open, event: yaml.ScalarEvent, *, faulty: bool) -> None:
        top.key, top.key_event = event.value, event
        if event.value == "<<" and not event.style:
            hint = "write the keys here"
            self._add("merge keys (<<) are not supported", self._place(event), hint)
            self.broken.add(top.path)
        elif event.value in top.items:
            message, hint = f"duplicate key {quoted(event.value)}", "keep one of the two"
            self._add(message, self._place(event), hint)
        elif not faulty:
            return
        top.key = IGNORED

    def _mapping(self, event: yaml.MappingStartEvent) -> None:
        self._start(event, {})

    def _sequence(self, event: yaml.SequenceStartEvent) -> None:
        self._start(event, [])

    def _start(
        self, event: yaml.CollectionStartEvent, items: dict[str, PlainValue] | list[PlainValue]
    ) -> None:
        if event.tag is not None:
            self._check_tag(event)
        if self._stack and self._stack[-1].wants_key:
            self._not_a_key(event)
            self._stack.append(_Open(items, (IGNORED,)))
            return
        path = self._attach(event, items)
        self._stack.append(_Open(items, path))

    def _end(self, _event: yaml.CollectionEndEvent) -> None:
        self._stack.pop()

    def _alias(self, event: yaml.AliasEvent) -> None:
        hint = "repeat the value here"
        self._add("aliases (*name) are not supported", self._place(event), hint)
        if self._stack and self._stack[-1].wants_key:
            self._stack[-1].key = IGNORED
        else:
            self.broken.add(self._next_path())
            self._attach(event, None)

    def _not_a_key(self, event: yaml.NodeEvent) -> None:
        hint = "put it in quotes: { and [ open mappings and lists"
        self._add("a key must be plain text", self._place(event), hint)
        self._stack[-1].key = IGNORED

    def _attach(self, event: yaml.NodeEvent, value: PlainValue) -> ValuePath:
        if not self._stack:
            self.value = value
            if self.places is not None:
                self.places[()] = Located(event, None)
            return ()
        top = self._stack[-1]
        path = (*top.path, top.step())
        if self.places is not None and path not in self.places:
            self.places[path] = Located(event, top.key_event)
        top.add(value)
        return path

    def _check_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag not in TEXT_TAGS or not isinstance(event, yaml.ScalarEvent):
            message = f"tags like {quoted(event.tag)} are not supported"
            self._add(message, self._place(event), "remove the tag")
            if not (self._stack and self._stack[-1].wants_key):
                self.broken.add(self._next_path())

    def _has_faulty_characters(self, event: yaml.ScalarEvent) -> bool:
        """Whether a value has characters that YAML does not allow, written as escapes like \\0."""
        found = not_allowed(event.value)
        if found is not None:
            message = f"character {code_point(found)} is not allowed in a text"
            self._add(message, self._place(event), "remove the escape")
        return found is not None or (self.masked and MASK in event.value)

    def _next_path(self) -> ValuePath:
        """The path of the value that comes next."""
        return (*self._stack[-1].path, self._stack[-1].step()) if self._stack else ()

    def _add(self, message: str, place: Place, hint: str = "") -> None:
        self.faults.append(Problem(message=message, place=place, hint=hint))

    def _place(self, event: yaml.Event) -> Place:
        return event_place(event, self.file)


_HANDLERS: Mapping[type[yaml.Event], Callable[[YamlReader, Any], None]] = {
    yaml.ScalarEvent: YamlReader._scalar,
    yaml.MappingStartEvent: YamlReader._mapping,
    yaml.SequenceStartEvent: YamlReader._sequence,
    yaml.MappingEndEvent: YamlReader._end,
    yaml.SequenceEndEvent: YamlReader._end,
    yaml.AliasEvent: YamlReader._alias,
    yaml.DocumentStartEvent: YamlReader._document,
}
