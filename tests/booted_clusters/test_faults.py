"""A few quick rows of the fault table, and that the table has every row it should."""

import json
import re
from pathlib import Path

import pytest

from faults.__main__ import played
from faults.cases import CLOUD_INIT, ROLES, all_cases, plan_of
from faults.page import append_log, figures, read_log
from faults.play import Outcome, Pace
from faults.update_cases import MOMENTS, rounds, update_cases
from faults.update_cases import ROLES as UPDATED
from khgen.plan.steps import STEPS, steps_of
from support.boot_steps import is_gate

QUICK = re.compile("cut: etcd host at [0-9]+-etcd-host|cable: etcd host at [0-9]+-etcd-quorum")


@pytest.mark.boot
def test_quick_cases_converge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KHGEN_KUBE_BIN", raising=False)
    cases = [case for case in all_cases() if QUICK.fullmatch(case.name)]
    assert len(cases) == 2
    outcomes = list(played(cases, Pace(off=3, timeout=60)))
    assert all(outcome.converged for outcome in outcomes), outcomes


@pytest.mark.parametrize("name", ROLES)
def test_every_step_has_its_cut_and_every_gate_its_cable(name: str) -> None:
    role = ROLES[name]
    steps = steps_of(plan_of(role.shape), role.kind)
    names = {case.name for case in all_cases()}
    places = (CLOUD_INIT, *(step.file_name for step in steps))
    assert {f"cut: {name} at {place}" for place in places} <= names
    gates = [step.file_name for step in steps if is_gate(step)]
    assert gates
    assert {f"cable: {name} at {gate}" for gate in gates} <= names


def test_names_of_cases_are_their_own() -> None:
    names = [case.name for case in all_cases()]
    assert len(set(names)) == len(names)
    assert sum(name.startswith("order: ") for name in names) == 6


def test_every_step_of_updates_has_its_power_cut() -> None:
    living = {step.name for step in STEPS if step.living and step.name != "update-etcd-host"}
    at = {(case.role, case.at) for case in update_cases()}
    assert {name[3:] for _, name in at if name not in MOMENTS} == living
    assert {(role, moment) for role in UPDATED for moment in MOMENTS} <= at
    hosts = ("cp1", "cp2", "cp3", "w1")
    played_in = [case for round_ in rounds(update_cases(), hosts) for case in round_.values()]
    assert sorted(case.name for case in played_in) == sorted(c.name for c in update_cases())


def test_page_lists_what_failed_and_what_was_not_played(tmp_path: Path) -> None:
    cases = [case for case in all_cases() if case.name.startswith("order: ")]
    log = tmp_path / "log"
    good = Outcome(name=cases[0].name, converged=True, seconds=20.5, after=12.5, said="")
    bad = Outcome(name=cases[1].name, converged=False, seconds=99, after=90, said="cp1 waits")
    append_log(log, good)
    append_log(log, bad)
    assert json.loads(log.read_text(encoding="utf-8").splitlines()[0])["seconds"] == 20.5
    page = figures(cases, read_log(log), "the stand-in")
    assert "| all | 6 | 2 | 1 | 20.5 s | 12.5 s |" in page
    assert f"| {cases[1].name} | **no** | 99 | 90 | cp1 waits |" in page
    assert page.count("\n- order: ") == 4
