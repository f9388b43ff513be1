"""A problem as text: file:line:column first, then the line, a caret, the path and the hint."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from unicodedata import combining, east_asian_width

from khgen.problems import Place, Problem, Problems, one_line
from khgen.spec.source import BYTE_ORDER_MARK, LINE_END

LINE_WIDTH = 110
LEAD = 40
TAIL_MARK = "..."


def problem_text(problem: Problem, source: str) -> str:
    """One problem, with its line out of the file's text; no line end after the last line."""
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
    """The line, cut to a screen's width, and the blanks and carets to go under it."""
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
    """For each character as many characters as it takes cells on a screen."""
    for character in text:
        if character == "\t":
            yield "\t"
        elif not combining(character):
            yield "  " if east_asian_width(character) in "WF" else " "


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
