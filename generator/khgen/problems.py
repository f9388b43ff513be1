"""Problems with the user's input, each with its place in a file and a hint, and their text.

The first line of a problem is file:line:column, as editors and CI expect it; the line of the file,
a caret, the path and the hint follow.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from unicodedata import combining, east_asian_width

Step = str | int
"""One step into a document: a mapping's key or a sequence's index."""

ValuePath = tuple[Step, ...]
"""The way from a document's root to a value, like ("nodes", 1, "address")."""

LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
"""YAML 1.1's line breaks: libyaml counts lines by them."""
BYTE_ORDER_MARK = "\ufeff"

LINE_WIDTH = 110
"""The most characters of a line that are printed."""
LEAD = 40
"""How many of them stand before the value in a longer line."""
TAIL_MARK = "..."


class Severity(StrEnum):
    """How bad a problem is: an error stops the render, a warning stops it only with --strict."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A point in a file: line and column count from 1; `width` characters belong to the value."""

    file: str
    line: int
    column: int
    width: int = 1
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem with the path of its value; the line and column are not known yet."""

    path: ValuePath
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    at_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with the input, in lower case: what was found and what is accepted."""

    message: str
    place: Place
    hint: str = ""
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Problems:
    """All problems of one input, sorted by place."""

    items: tuple[Problem, ...] = field(default=())

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> "Problems":
        """The problems, sorted by place, each once; an error replaces the same warning."""
        worst_first = sorted(problems, key=lambda p: p.severity is not Severity.ERROR)
        unique: dict[tuple[Place, str], Problem] = {}
        for problem in worst_first:
            unique.setdefault((problem.place, problem.message), problem)
        ordered = sorted(
            unique.values(), key=lambda p: (p.place.file, p.place.line, p.place.column)
        )
        return cls(tuple(ordered))

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Only the errors."""
        return tuple(p for p in self.items if p.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Only the warnings."""
        return tuple(p for p in self.items if p.severity is Severity.WARNING)


def path_text(path: ValuePath) -> str:
    """The path as text: nodes[1].address."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def one_line(text: str) -> str:
    """The text with line ends and other control characters escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def quoted(value: object) -> str:
    """The value as a message shows it: in quotes, printable, and no longer than a line."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))
    return f"'{text}'" if len(text) <= 60 else f"'{text[:57]}...'"


def problem_text(problem: Problem, source: str) -> str:
    """One problem with its line of the file, without a line end at the end."""
    place = problem.place
    lines = _lines(source)
    where = f"{one_line(place.file)}:{place.line}:{place.column}"
    parts = [f"{where}: {problem.severity}: {one_line(problem.message)}"]
    if place.line <= len(lines) and lines[place.line - 1].strip():
        parts += [f"  {text}" for text in _excerpt(lines[place.line - 1], place)]
    if place.path:
        parts.append(f"  at {_printable(place.path)}")
    if problem.hint:
        parts.append(f"  hint: {one_line(problem.hint)}")
    return "\n".join(parts)


def summary_text(problems: Problems, wrote: Sequence[str] | None = ()) -> str:
    """The last line: how many errors and warnings, and what was written; None where more follows."""
    counts = ((len(problems.errors), "error"), (len(problems.warnings), "warning"))
    counted = ", ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts if n)
    if wrote is None:
        return counted or "no problems"
    written = f"written before that: {', '.join(wrote)}" if wrote else "nothing was written"
    return f"{counted or 'no problems'}; {written}"


@lru_cache(maxsize=2)
def _lines(source: str) -> list[str]:
    return LINE_END.split(source.removeprefix(BYTE_ORDER_MARK))  # no column counts the mark


def _excerpt(line: str, place: Place) -> tuple[str, str]:
    """The line, cut to a screen's width, and the line of carets under it."""
    at = min(place.column - 1, len(line))
    start = max(0, at - LEAD) if len(line) > LINE_WIDTH else 0
    shown = line[start : start + LINE_WIDTH]
    before = "".join(_cells(line[start:at]))
    under = max(1, len("".join(_cells(shown[at - start : at - start + place.width]))))
    head = TAIL_MARK if start else ""
    tail = TAIL_MARK if start + LINE_WIDTH < len(line) else ""
    pad = " " * len(head) + "".join("\t" if c == "\t" else " " for c in before)
    return f"{head}{_printable(shown)}{tail}", pad + "^" * under


def _cells(text: str) -> Iterator[str]:
    """One blank for each cell that a character takes on a screen; a tab stays a tab."""
    for character in text:
        if character == "\t":
            yield "\t"
        elif not combining(character):
            yield "  " if east_asian_width(character) in "WF" else " "


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
