"""What was played, as a log of JSON lines and as docs/faults.md."""

import json
import os
import platform
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from faults.cases import Case
from faults.play import Outcome
from faults.update_cases import UpdateCase
from support.rendering import ROOT

PAGE = ROOT / "docs" / "faults.md"
MARK = "<!-- below: written by --record -->\n"
UPDATES_MARK = "<!-- below: written by --updates --record -->\n"
END = "<!-- above: written by --record -->\n"
Listed = Case | UpdateCase


def read_log(path: Path) -> dict[str, Outcome]:
    """The last outcome of each case in a log."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    outcomes = (Outcome(**json.loads(line)) for line in lines)
    return {outcome.name: outcome for outcome in outcomes}


def append_log(path: Path, outcome: Outcome) -> None:
    """Add an outcome to a log."""
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(asdict(outcome)) + "\n")


def record(
    cases: Sequence[Listed], outcomes: Mapping[str, Outcome], words: str, mark: str = MARK
) -> None:
    """Write the figures below that mark of the page; all else stays."""
    above, _, below = PAGE.read_text(encoding="utf-8").partition(mark)
    rest = "".join(below.partition(END)[1:])
    text = figures(cases, outcomes, words)
    PAGE.write_text(f"{above}{mark}\n{text}{rest}", encoding="utf-8")


def figures(cases: Sequence[Listed], outcomes: Mapping[str, Outcome], words: str) -> str:
    """The figures as Markdown."""
    return "\n".join(
        (
            *textwrap.wrap(f"Run on {machine()}, with {words}", 120, break_on_hyphens=False),
            "",
            *_summary(cases, outcomes),
            "",
            "## Each case",
            "",
            *table(outcomes[case.name] for case in cases if case.name in outcomes),
            "",
            *_not_played(cases, outcomes),
        )
    )


def machine() -> str:
    """This machine, in words."""
    cpus = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    return f"a {platform.machine()} machine with {cpus} processors, {memory:.0f} GiB, {system}"


def table(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """A row for each case."""
    yield "| case | converged | seconds | of these after the fault was over | seen |"
    yield "|---|---|---|---|---|"
    for outcome in outcomes:
        yield row(outcome)


def row(outcome: Outcome) -> str:
    """One case."""
    converged = "yes" if outcome.converged else "**no**"
    said = outcome.said.replace("|", "\\|")
    return f"| {outcome.name} | {converged} | {outcome.seconds} | {outcome.after} | {said} |"


def _summary(cases: Sequence[Listed], outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    yield "| | cases | run | converged | worst, whole | worst, after the fault was over |"
    yield "|---|---|---|---|---|---|"
    groups: dict[str, list[Listed]] = {}
    for case in cases:
        groups.setdefault(case.name.partition(" at ")[0].partition(": ")[0], []).append(case)
    for name, members in (*groups.items(), ("all", list(cases))):
        run = [outcomes[case.name] for case in members if case.name in outcomes]
        good = [outcome for outcome in run if outcome.converged]
        whole = f"{max(o.seconds for o in good)} s" if good else ""
        after = f"{max(o.after for o in good)} s" if good else ""
        yield f"| {name} | {len(members)} | {len(run)} | {len(good)} | {whole} | {after} |"


def _not_played(cases: Sequence[Listed], outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    missing = [case for case in cases if case.name not in outcomes]
    if missing:
        yield "## Not yet played"
        yield ""
        for case in missing:
            yield f"- {case.name}"
        yield ""
