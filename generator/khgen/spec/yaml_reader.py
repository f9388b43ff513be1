"""The one pass that turns YAML's events into plain values and collects the faults of their form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from khgen.problems import Place, Problem, Step, ValuePath
from khgen.spec.model.values import quoted
from khgen.spec.source import MASK, code_point, not_allowed
from khgen.spec.yaml_nodes import (
    MAX_DEPTH,
    NestingError,
    PlainValue,
    events_of,
    scalar_value,
    syntax_fault,
)

IGNORED = "\0 not kept"
"""Key of a value that is read but not kept: this very object, whatever a key in a file says."""
TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})


class Located(NamedTuple):
    """The event of a value and that of its key."""

    event: yaml.Event
    key_event: yaml.Event | None

    def place(self, file: str, *, at_key: bool) -> Place:
        """Where the value (or its key) was written; a value of nothing stands at its key."""
        event = self.event
        empty = isinstance(event, yaml.ScalarEvent) and not event.value and not event.style
        return event_place((self.key_event if at_key or empty else None) or event, file)


def event_place(event: yaml.Event, file: str) -> Place:
    """Where an event was written; only what is on one line is wider than a character."""
    start, end = event.start_mark, event.end_mark
    if start is None or end is None:
        return Place(file=file, line=1, column=1)
    one_line = isinstance(event, yaml.ScalarEvent | yaml.AliasEvent) and end.line == start.line
    width = max(1, end.column - start.column) if one_line else 1
    return Place(file=file, line=start.line + 1, column=start.column + 1, width=width)


@dataclass(slots=True)
class _Open:
    """A mapping or sequence whose end has not come yet."""

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
    """Whether MASK stands in the text for what it may not hold."""
    value: PlainValue = None
    faults: list[Problem] = field(default_factory=list)
    broken: set[ValuePath] = field(default_factory=set)
    """Paths whose values differ from what was meant, because of a fault."""
    unreadable: bool = False
    """Whether the value is not whole: YAML ended where the parser gave up."""
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
            message, hint, line, column = syntax_fault(error, text)
            self._add(message, Place(file=self.file, line=line, column=column), hint)
            self.unreadable = True
        except NestingError as error:
            self._add(f"nested more than {MAX_DEPTH} levels deep", self._place(error.event))
            self.unreadable = True

    def _document(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            hint = "keep one cluster in a file"
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
            hint = "write the keys out here"
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
        hint = "write the value out again here"
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
            self._add(message, self._place(event), "leave the tag out")
            if not (self._stack and self._stack[-1].wants_key):
                self.broken.add(self._next_path())

    def _has_faulty_characters(self, event: yaml.ScalarEvent) -> bool:
        """Whether a text has characters that none may have; escapes like \\0 put them there."""
        found = not_allowed(event.value)
        if found is not None:
            message = f"character {code_point(found)} is not allowed in a text"
            self._add(message, self._place(event), "leave its escape out")
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
