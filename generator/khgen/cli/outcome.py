"""How a command ends: its exit code, and what it says to the user."""

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Mapping
from typing import NoReturn

import click

from khgen.problems import Problem, Problems, Severity

EXIT_PROBLEMS = 1
EXIT_FILES = 3
EXIT_DEFECT = 70


def show_problems(problems: Problems, sources: Mapping[str, str], *, written: bool) -> None:
    """Print the problems, each with its line and a caret, and a last line that counts them."""
    from khgen.excerpt import problem_text, summary_text  # noqa: PLC0415

    for problem in problems:
        text = problem_text(problem, sources.get(problem.place.file, ""))
        click.echo(_coloured(problem, text), err=True)
    if problems:
        click.echo(summary_text(problems, written=written), err=True)


def stop_for(problems: Problems, sources: Mapping[str, str], output_format: str) -> NoReturn:
    """End the command because of these problems."""
    if output_format == "json":
        click.echo(json.dumps({"written": False, "problems": problems_json(problems)}, indent=2))
    else:
        show_problems(problems, sources, written=False)
    sys.exit(EXIT_PROBLEMS)


def problems_json(problems: Problems) -> list[dict[str, object]]:
    """The problems as plain data, for --format json."""
    return [
        {
            "severity": problem.severity.value,
            "message": problem.message,
            "hint": problem.hint,
            "file": problem.place.file,
            "line": problem.place.line,
            "column": problem.place.column,
            "path": problem.place.path,
        }
        for problem in problems
    ]


def report_os_error(error: OSError) -> None:
    """Say which file could not be read or written, and why."""
    name = f"{error.filename}: " if error.filename else ""
    click.echo(f"khgen: error: {name}{error.strerror or error}", err=True)


def report_defect(error: Exception, *, show: bool) -> None:
    """Say that khgen itself is at fault, and where the traceback is."""
    text = "".join(traceback.format_exception(error))
    if show:
        click.echo(text, err=True)
        return
    descriptor, path = tempfile.mkstemp(prefix="khgen-defect-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8") as report:
        report.write(text)
    message = f"khgen: this is a defect in khgen, not in your files: {type(error).__name__}"
    click.echo(f"{message}; the traceback is in {path} (or use --debug)", err=True)


def _coloured(problem: Problem, text: str) -> str:
    if "NO_COLOR" in os.environ:
        return text
    word = f"{problem.severity.value}:"
    colour = "red" if problem.severity is Severity.ERROR else "yellow"
    return text.replace(word, click.style(word, fg=colour, bold=True), 1)
