"""The fault table as one command; see docs/faults.md.

PYTHONPATH=tests .venv/bin/python -m faults --record
"""

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from faults.cases import SHAPES, Case, all_cases
from faults.page import MARK, UPDATES_MARK, append_log, read_log, record, row, table
from faults.play import Outcome, Pace, Play, cluster_for
from faults.update_cases import UpdateCase, update_cases
from faults.update_play import played_updates
from khgen.rehearse.processes import ProgramError
from support.kubernetes import kubeadm_version
from support.local_cluster import STAND_IN, LocalCluster


def main() -> int:
    """Play the cases asked for; 1 if one did not converge."""
    given = _arguments()
    cases: Sequence[Case | UpdateCase] = update_cases() if given.updates else all_cases()
    if given.list:
        sys.stdout.writelines(f"{case.name}\n" for case in _chosen(cases, given.only))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        log = given.log or Path(folder) / "log"
        before = read_log(log)
        real = bool(os.environ.get("KHGEN_KUBE_BIN"))
        chosen = [case for case in _chosen(cases, given.only) if case.name not in before]
        sys.stdout.writelines(f"{line}\n" for line in table(()))
        pace = Pace(off=given.off, late=given.late, timeout=given.timeout)
        bad = 0
        for outcome in _outcomes(chosen, pace):
            append_log(log, outcome)
            sys.stdout.write(row(outcome) + "\n")
            sys.stdout.flush()
            bad += not outcome.converged
        if given.record:
            programs = f"Kubernetes {kubeadm_version()}" if real else "the stand-in (tests/standin)"
            lasted = f"`--off {given.off:g} --late {given.late:g}`"
            words = " ".join((f"{programs}, {lasted}.", *given.note))
            record(cases, read_log(log), words, UPDATES_MARK if given.updates else MARK)
    return 1 if bad else 0


def _outcomes(chosen: Sequence[Case | UpdateCase], pace: Pace) -> Iterator[Outcome]:
    yield from played([case for case in chosen if isinstance(case, Case)], pace)
    yield from played_updates([case for case in chosen if isinstance(case, UpdateCase)], pace)


def played(cases: Sequence[Case], pace: Pace) -> Iterator[Outcome]:
    """The outcome of each; cases with the same living hosts share them while all goes well."""
    folder = os.environ.get("KHGEN_KUBE_BIN")
    programs = Path(folder) if folder else STAND_IN
    version = str(kubeadm_version()) if folder else None
    with ExitStack() as stack:
        shared: tuple[str, LocalCluster] | None = None
        for case in cases:
            if shared is None or not case.living or case.shape != shared[0]:
                stack.close()
                shared = None
                try:
                    cluster = stack.enter_context(cluster_for(case, programs, version))
                except (ProgramError, AssertionError) as error:
                    yield _not_begun(case, error)
                    continue
                shared = (case.shape, cluster)
            outcome = Play(case=case, cluster=shared[1], pace=pace).run()
            grown = SHAPES[case.shape].before is not None and case.host != "cp4"
            if not case.living or grown or not outcome.converged:
                stack.close()
                shared = None
            elif case.host not in case.living and case.host.startswith("w"):
                shared[1].hosts[case.host].power_cut()
            yield outcome


def _not_begun(case: Case, error: Exception) -> Outcome:
    return Outcome(name=case.name, converged=False, seconds=0, after=0, said=f"not begun: {error}")


def _chosen(cases: Sequence[Case | UpdateCase], only: Sequence[str]) -> list[Case | UpdateCase]:
    patterns = [re.compile(pattern) for pattern in only or [""]]
    return [case for case in cases if any(p.search(case.name) for p in patterns)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="faults", description="The fault table")
    parser.add_argument("--only", action="append", metavar="PATTERN", help="cases; repeatable")
    parser.add_argument("--updates", action="store_true", help="the table of updates")
    parser.add_argument("--list", action="store_true", help="only say which there are")
    parser.add_argument("--log", type=Path, help="add outcomes to this; those there are not redone")
    parser.add_argument("--record", action="store_true", help="write docs/faults.md")
    parser.add_argument("--note", action="append", default=[], help="a sentence for the page")
    pace = Pace()
    parser.add_argument("--off", type=float, default=pace.off, help="seconds that a fault lasts")
    parser.add_argument("--late", type=float, default=pace.late, help="seconds that one is late")
    parser.add_argument("--timeout", type=float, default=pace.timeout)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
