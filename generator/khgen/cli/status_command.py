"""`khgen status`: a running cluster compared with what was rendered, once or until it is the same."""

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import click

from khgen.changes.compare import SpecValues
from khgen.cli.inputs import now, rendered_manifest
from khgen.cli.outcome import CHANGES, Exit, Report, current_run
from khgen.cli.status_text import WIDTH, status_by_subject, status_lines
from khgen.disk.rendered_output import load_spec_values
from khgen.live.api_objects import NODES_PATH, PODS_PATH, ROLL_PATH, NotAListError, snapshot
from khgen.live.cluster_report import ClusterReport, Rendered, cluster_report, report_values
from khgen.live.kubeconfig import KubeconfigError, chosen_kubeconfig
from khgen.live.kubectl import KubectlError, raw_lists

WATCH_SECONDS = 5.0
_HOME, _END_OF_LINE, _BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
"""ECMA-48: the cursor to the first cell; erase to the end of the line, and of the screen."""


def print_status(output: Path, kubeconfig: Path | None, *, watch: bool) -> None:
    """Print how the cluster is; ends the command with 2 unless it is as rendered."""
    run = current_run()
    if watch and run.as_json:
        message = "--watch prints text: leave out --format json"
        raise click.UsageError(message)
    cluster = _Cluster(_rendered(output), _kubeconfig(kubeconfig, output))
    try:
        report = cluster.report()
    except KubectlError as error:
        run.fail(Exit.PROGRAM, str(error), hint=error.hint)
    if watch:
        _watch(report, cluster.report)
        return
    code = Exit.DONE if report.as_rendered else CHANGES
    if run.as_json:
        Report().print_json({"output": str(output), **report_values(report)}, code)
    else:
        click.echo("\n".join(status_lines(report, _columns())))
    sys.exit(code)


@dataclass(frozen=True, slots=True)
class _Cluster:
    """A running cluster, and what was rendered for it."""

    rendered: Rendered
    kubeconfig: Path | None

    def report(self) -> ClusterReport:
        """The cluster now; raises KubectlError where it cannot be seen."""
        answers = raw_lists(self.kubeconfig, (NODES_PATH, PODS_PATH, ROLL_PATH))
        try:
            seen = snapshot(*answers)
        except NotAListError as error:
            raise KubectlError(str(error)) from None
        return cluster_report(self.rendered, seen, now())


def _rendered(output: Path) -> Rendered:
    values = load_spec_values(output) or {}
    pull = _section(values, "updates").get("pull", True)
    vip = _section(values, "controlPlaneEndpoint").get("vip")
    return Rendered(
        out=str(output),
        manifest=rendered_manifest(output),
        pull=pull is not False,
        vip=vip if isinstance(vip, str) else None,
    )


def _section(values: SpecValues, name: str) -> Mapping[str, object]:
    section = values.get(name)
    return section if isinstance(section, dict) else {}


def _kubeconfig(named: Path | None, output: Path) -> Path | None:
    try:
        return chosen_kubeconfig(named, output)
    except KubeconfigError as error:
        raise click.UsageError(str(error)) from None


def _watch(report: ClusterReport, again: Callable[[], ClusterReport]) -> None:
    """Show the cluster until it is as rendered; an API that is away is asked again."""
    screen: _Screen | _Log = _Screen() if sys.stdout.isatty() else _Log()
    screen.show(report)
    while not report.as_rendered:
        time.sleep(WATCH_SECONDS)
        try:
            report = again()
        except KubectlError as error:
            screen.show_failure(str(error))
        else:
            screen.show(report)


class _Screen:
    """A terminal: each report is drawn over the last one."""

    def __init__(self) -> None:
        """An empty screen."""
        self._lines: list[str] = []
        click.clear()

    def show(self, report: ClusterReport) -> None:
        """Draw the report."""
        self._lines = list(status_lines(report, _columns()))
        self._draw(f"{_clock()}, again every {WATCH_SECONDS:.0f} s until all is as rendered")

    def show_failure(self, reason: str) -> None:
        """Draw the last report again, and why there is no newer one."""
        self._draw(f"{_clock()}, no newer state: {reason}")

    def _draw(self, head: str) -> None:
        rows = shutil.get_terminal_size().lines - 1
        lines = list(islice((head, "", *self._lines), rows))
        if len(self._lines) + 2 > rows:
            lines[-1] = f"{len(self._lines) + 3 - rows} more lines: enlarge the terminal"
        text = "".join(f"{line}{_END_OF_LINE}\n" for line in lines)
        click.echo(f"{_HOME}{text}{_BELOW}", nl=False)


class _Log:
    """A file or a pipe: a line for each change."""

    def __init__(self) -> None:
        """Nothing was printed yet."""
        self._last: dict[str, str] = {}
        self._failure = ""

    def show(self, report: ClusterReport) -> None:
        """Print what changed since the last report."""
        self._failure = ""
        texts = status_by_subject(report)
        for subject in (*texts, *(self._last.keys() - texts.keys())):
            text = texts.get(subject, "as rendered")
            if self._last.get(subject) != text:
                _log_line(f"{subject}: {text}")
        self._last = texts
        if report.as_rendered:
            _log_line(f"{report.cluster}: all is as rendered")

    def show_failure(self, reason: str) -> None:
        """Print why the state is not known, once for each reason."""
        if reason != self._failure:
            _log_line(f"no newer state: {reason}")
        self._failure = reason


def _log_line(text: str) -> None:
    click.echo(f"{_clock()}  {text}")


def _clock() -> str:
    return f"{datetime.now(UTC):%H:%M:%S}Z"


def _columns() -> int:
    """The width of a line: a terminal's own if that is narrower."""
    if not sys.stdout.isatty():
        return WIDTH
    return min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)
