"""What a user is told about his input: problems, each with its place in a file and a hint."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

Step = str | int
"""One step into a document: a mapping's key or a sequence's index."""

ValuePath = tuple[Step, ...]
"""The way from a document's root to a value, like ("nodes", 1, "address")."""


class Severity(StrEnum):
    """How bad a problem is: an error stops the render, a warning does not (but for --strict)."""

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
    """A problem that knows which value it is about, but not yet where that value was written."""

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
        """The problems, sorted by place; of repetitions an error stays rather than a warning."""
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
    """The path as a reader writes it: nodes[1].address."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def one_line(text: str) -> str:
    """The text without line ends and other controls, which a value or a file's name can have."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
