"""How a command ends: its exit code, and what it says to the user."""

import errno
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field

import click

from khgen.problems import Problem, Problems, Severity

EXIT_PROBLEMS = 1
EXIT_FILES = 3
EXIT_PROGRAM = 4
EXIT_DEFECT = 70
_ELSEWHERE = "name a place elsewhere with -o, or with --secrets for the secrets file"
_HINTS = {
    errno.ENOSPC: f"make room there, or {_ELSEWHERE}",
    errno.EDQUOT: f"make room there, or {_ELSEWHERE}",
    errno.EROFS: f"that place is read-only: {_ELSEWHERE}",
    errno.EACCES: f"give yourself the right to it and to its folder, or {_ELSEWHERE}",
    errno.ENAMETOOLONG: f"that file system takes no name so long: {_ELSEWHERE}",
}
"""What one can do about an error of the system."""
_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


@dataclass(slots=True, kw_only=True)
class Report:
    """The problems of a run, as they come up stage by stage, and how they are shown."""

    strict: bool = False
    as_json: bool = False
    problems: Problems = field(default_factory=Problems)
    sources: dict[str, str] = field(default_factory=dict)

    def add(self, problems: Problems, sources: Mapping[str, str]) -> None:
        """Add a stage's problems; `sources` holds the texts that may be quoted, by file name."""
        self.problems = Problems.of((*self.problems, *problems))
        self.sources.update(sources)

    def stop_if_fatal(self) -> None:
        """End the command with everything said so far, if there is an error among it."""
        if self.problems.errors or (self.strict and self.problems):
            if self.as_json:
                self.print_json({"written": False})
            else:
                self.show(written=False)
            sys.exit(EXIT_PROBLEMS)

    def show(self, *, written: bool) -> None:
        """Print the problems, each with its line and a caret, and a last line that counts them."""
        from khgen.excerpt import problem_text, summary_text

        for problem in self.problems:
            text = problem_text(problem, self.sources.get(problem.place.file, ""))
            click.echo(_coloured(problem, text), err=True)
        if self.problems:
            click.echo(summary_text(self.problems, written=written), err=True)

    def print_json(self, result: Mapping[str, object]) -> None:
        """Print the result and the problems as one JSON object on standard output."""
        click.echo(json.dumps({**result, "problems": [_plain(p) for p in self.problems]}, indent=2))


def report_os_error(error: OSError) -> None:
    """Say which file could not be read or written, and why."""
    name = f"{error.filename}: " if error.filename else ""
    click.echo(f"khgen: error: {name}{error.strerror or error}", err=True)
    # An error of khgen's own says in its text what to do.
    if error.errno in _HINTS and error.strerror == os.strerror(error.errno):
        click.echo(f"  hint: {_HINTS[error.errno]}", err=True)


def report_defect(error: Exception, *, show: bool) -> None:
    """Say that khgen itself is at fault, and where the traceback is."""
    text = "".join(traceback.format_exception(error))
    if show:
        click.echo(text, err=True)
        return
    try:
        descriptor, path = tempfile.mkstemp(prefix="khgen-defect-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8") as report:
            report.write(text)
    except OSError:  # No place for it: a read-only or full TMPDIR.
        click.echo(text, err=True)
        path = "standard error"
    message = f"khgen: this is a defect in khgen, not in your files: {type(error).__name__}"
    click.echo(f"{message}; the traceback is in {path} (or use --debug)", err=True)


def _plain(problem: Problem) -> dict[str, object]:
    return {
        "severity": problem.severity.value,
        "message": problem.message,
        "hint": problem.hint,
        "file": problem.place.file,
        "line": problem.place.line,
        "column": problem.place.column,
        "path": problem.place.path,
    }


def _coloured(problem: Problem, text: str) -> str:
    if "NO_COLOR" in os.environ:
        return text
    word = f"{problem.severity}:"
    return text.replace(word, click.style(word, fg=_COLOURS[problem.severity], bold=True), 1)
