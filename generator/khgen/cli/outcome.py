"""How a command ends: its exit code, its report, and its end by a signal."""

import errno
import io
import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from khgen.disk.system_calls import ENDING
from khgen.problems import Problem, Problems, Severity, one_line, problem_text, summary_text

_ELSEWHERE = "name another place with -o, or with --secrets for the secrets file"
_HINTS = {
    errno.ENOSPC: f"make room there, or {_ELSEWHERE}",
    errno.EDQUOT: f"make room there, or {_ELSEWHERE}",
    errno.EROFS: f"that place is read-only: {_ELSEWHERE}",
    errno.EACCES: f"make the file and its folder accessible to you, or {_ELSEWHERE}",
    errno.ENAMETOOLONG: f"the name is too long for that file system: {_ELSEWHERE}",
}
"""What the user can do about an error of the system."""


class Exit(IntEnum):
    """Every exit code of khgen; docs/commands.md lists what each means."""

    DONE = 0
    PROBLEMS = 1
    """The input has errors."""
    USAGE = 2
    """The command line is wrong (click's own code); `khgen diff` uses it for "something changes"."""
    FILES = 3
    """A file cannot be read or written."""
    PROGRAM = 4
    """An external program failed."""
    DEFECT = 70
    """EX_SOFTWARE of sysexits(3)."""
    HUNG_UP = 129
    """128 + SIGHUP, as a shell reports it; the next ones are like it."""
    INTERRUPTED = 130
    PIPE_CLOSED = 141
    TERMINATED = 143


CHANGES = Exit.USAGE
"""diff's "something changes", like terraform plan's; a wrong command line prints nothing to stdout."""
_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}
_FORMAT_OPTION = "--format"
LISTED_NODES = 24
"""How many nodes a message lists; a larger cluster is summed up by role."""


@dataclass(slots=True, kw_only=True)
class Run:
    """One run of khgen: the form of its report, and what it has written so far."""

    as_json: bool = False
    wrote: list[str] = field(default_factory=list)

    def result(self, code: Exit, problems: Sequence[Mapping[str, object]]) -> dict[str, object]:
        """The keys that every JSON report has; docs/commands.md describes them."""
        return {
            "exitCode": int(code),
            "written": bool(self.wrote),
            "wrote": self.wrote,
            "problems": list(problems),
        }

    def fail(
        self, code: Exit, message: str, *, hint: str = "", file: str | None = None
    ) -> NoReturn:
        """End the command with one error, and with what was written before it."""
        if not (self.as_json and self._fails_as_json(code, message, hint, file)):
            place = f"{one_line(file)}: " if file else ""
            click.echo(f"khgen: error: {place}{message}", err=True)
            if hint:
                click.echo(f"  hint: {hint}", err=True)
            if self.wrote:
                click.echo(f"  written before that: {', '.join(self.wrote)}", err=True)
        sys.exit(code)

    def fail_usage(self, error: click.ClickException) -> NoReturn:
        """End the command with click's message for a wrong command line."""
        if self.as_json:
            context = error.ctx if isinstance(error, click.UsageError) else None
            hint = f"try {context.command_path} --help" if context else ""
            self.fail(Exit(error.exit_code), error.format_message(), hint=hint)
        error.show()
        sys.exit(error.exit_code)

    def _fails_as_json(self, code: Exit, message: str, hint: str, file: str | None) -> bool:
        """Whether the error could be printed; standard output itself may have failed."""
        problem = _plain_problem(Severity.ERROR, message, hint, file=file)
        try:
            _print_json(self.result(code, [problem]))
        except OSError:
            return False
        return True


def run_of(arguments: Sequence[str]) -> Run:
    """A run with these arguments; the form is read here, because a wrong command line needs it too."""
    as_json = False
    for option, value in zip(arguments, [*arguments[1:], ""], strict=False):
        if option == "--":
            break
        if option == _FORMAT_OPTION or option.startswith(f"{_FORMAT_OPTION}="):
            named = value if option == _FORMAT_OPTION else option.partition("=")[2]
            as_json = named == "json"
    return Run(as_json=as_json)


def current_run() -> Run:
    """The run that this command belongs to."""
    context = click.get_current_context(silent=True)
    run = context.find_object(Run) if context else None
    return run or Run()


def wrote(*paths: Path) -> None:
    """Note what was written, so that a later error lists it."""
    current_run().wrote.extend(map(str, paths))


def print_any_text() -> None:
    """Print characters that an output cannot encode as backslash escapes.

    A file's name can have any bytes, and it is printed when the work is done: that must not fail.
    Where the encoding is ASCII, click would write UTF-8 without escapes, so UTF-8 is set here.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            ascii_only = stream.encoding.lower() in {"ascii", "us-ascii", "ansi_x3.4-1968"}
            encoding = "utf-8" if ascii_only else stream.encoding
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


@dataclass(slots=True, kw_only=True)
class Report:
    """The problems of a run, collected stage by stage, and how they are printed."""

    strict: bool = False
    run: Run = field(default_factory=current_run)
    problems: Problems = field(default_factory=Problems)
    sources: dict[str, str] = field(default_factory=dict)

    def add(self, problems: Problems, sources: Mapping[str, str]) -> None:
        """Add a stage's problems; `sources` holds the texts that may be quoted, by file name."""
        self.problems = Problems.of((*self.problems, *problems))
        self.sources.update(sources)

    def stop_if_fatal(self) -> None:
        """End the command with all problems so far, if one of them is an error."""
        if self.problems.errors or (self.strict and self.problems):
            if self.run.as_json:
                self.print_json({}, Exit.PROBLEMS)
            else:
                self.show(closing=True)
            sys.exit(Exit.PROBLEMS)

    def show(self, *, closing: bool = False) -> None:
        """Print the problems, each with its line and a caret, and a last line that counts them.

        With `closing`, that line also says what was written: it is the last of the command.
        """
        for problem in self.problems:
            text = problem_text(problem, self.sources.get(problem.place.file, ""))
            click.echo(_coloured(problem, text), err=True)
        if self.problems:
            wrote = self.run.wrote if closing else None
            click.echo(summary_text(self.problems, wrote), err=True)

    def print_json(self, result: Mapping[str, object], code: Exit = Exit.DONE) -> None:
        """Print the result and the problems as one JSON object on standard output."""
        _print_json({**self.run.result(code, [_plain(p) for p in self.problems]), **result})


def report_os_error(run: Run, error: OSError) -> NoReturn:
    """End the command with the file that could not be read or written, why, and what to do."""
    name = error.filename
    file = os.fsdecode(name) if isinstance(name, str | bytes) and name else None
    # khgen's own errors have their advice in the text; one without a file is the terminal's.
    plain = file and error.errno in _HINTS and error.strerror == os.strerror(error.errno)
    hint = _HINTS[error.errno] if plain and error.errno is not None else ""
    run.fail(Exit.FILES, error.strerror or str(error), hint=hint, file=file)


def report_defect(run: Run, error: Exception, *, show: bool) -> NoReturn:
    """End the command with a defect of khgen, and with the traceback's place."""
    text = "".join(traceback.format_exception(error))
    hint = "the traceback is above"
    if show:
        click.echo(text, err=True)
    else:
        hint = f"the traceback is {_saved(text)} (or use --debug)"
    message = f"this is a defect in khgen, not in your files: {type(error).__name__}"
    run.fail(Exit.DEFECT, message, hint=hint)


def _saved(text: str) -> str:
    """The place of the text, once it is saved or printed."""
    try:
        descriptor, path = tempfile.mkstemp(prefix="khgen-defect-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as report:
            report.write(text)
    except OSError:  # TMPDIR is read-only or full.
        click.echo(text, err=True)
        return "above"
    return f"in {path}"


def _print_json(result: Mapping[str, object]) -> None:
    click.echo(json.dumps(result, indent=2))


def _plain(problem: Problem) -> dict[str, object]:
    place = problem.place
    return _plain_problem(
        problem.severity,
        problem.message,
        problem.hint,
        file=place.file,
        line=place.line,
        column=place.column,
        path=place.path,
    )


def _plain_problem(  # noqa: PLR0913 - one for each key
    severity: Severity,
    message: str,
    hint: str,
    *,
    file: str | None,
    line: int | None = None,
    column: int | None = None,
    path: str = "",
) -> dict[str, object]:
    return {
        "severity": severity.value,
        "message": message,
        "hint": hint,
        "file": file,
        "line": line,
        "column": column,
        "path": path,
    }


def _coloured(problem: Problem, text: str) -> str:
    if "NO_COLOR" in os.environ:
        return text
    word = f"{problem.severity}:"
    return text.replace(word, click.style(word, fg=_COLOURS[problem.severity], bold=True), 1)


class EndedError(BaseException):
    """A signal ended the command; it is no Exception, so that no handler of failures catches it."""

    def __init__(self, number: int) -> None:
        """With the signal's number."""
        super().__init__(number)
        self.number = number


def exit_code(number: int) -> Exit:
    """The exit code that a shell reports for a program that this signal ended."""
    return Exit(128 + number)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Raise EndedError in the block for the first of these signals, and ignore all after it.

    So no second signal disturbs the clean-up. A signal that was ignored before stays ignored
    (nohup). Where a library turned EndedError into another exception, it is raised again here.
    """
    came: list[int] = []
    handled = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        for each in handled:
            signal.signal(each, signal.SIG_IGN)
        came.append(number)
        raise EndedError(number)

    before = {number: signal.signal(number, end) for number in handled}
    try:
        yield
    except Exception:
        if came:
            raise EndedError(came[0]) from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def closed_pipe_ends() -> Iterator[None]:
    """End the command as SIGPIPE would when nobody reads its output any more."""
    try:
        yield
    except BrokenPipeError:
        raise EndedError(signal.SIGPIPE) from None


def forget_unread_output() -> None:
    """Discard output that cannot be written, so that Python's exit does not fail (manual: SIGPIPE)."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
