"""khgen-boot itself, run as a node runs it, with a folder in place of the machine's own files."""

import json
import shlex
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pytest

from support.boot_machine import KHGEN_BOOT, LONG_SECONDS, Machine
from support.programs import assert_accepts, require_program

pytestmark = pytest.mark.tools


def test_steps_run_in_order_with_the_nodes_values(machine: Machine) -> None:
    machine.step("20-b", 'echo "b $NAME" >>"$LOG"')
    machine.step("03-a", 'echo "a $NAME" >>"$LOG"')
    machine.step("30-c", 'echo "c $NAME" >>"$LOG"')
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert machine.logged() == ["a node one", "b node one", "c node one"]
    assert "03-a: what 03-a does" in done.stdout
    assert done.stdout.endswith("all done\n")


def test_done_steps_are_not_done_again(machine: Machine) -> None:
    machine.step("1-a", 'echo a >>"$LOG"')
    machine.step("2-b", 'echo b >>"$LOG"')
    assert machine.run().returncode == 0
    machine.step("2-b", 'echo "b anew" >>"$LOG"')
    assert machine.run().returncode == 0
    assert machine.logged() == ["a", "b", "b anew"]


def test_changed_values_are_a_reason_to_do_a_step_again(machine: Machine) -> None:
    machine.step("1-a", 'echo "$NAME" >>"$LOG"')
    assert machine.run().returncode == 0
    machine.set_values(NAME="node two")
    assert machine.run().returncode == 0
    assert machine.logged() == ["node one", "node two"]


def test_killed_in_the_middle_it_resumes_there(
    waiting: tuple[Machine, subprocess.Popen[str]],
) -> None:
    machine, boot = waiting
    machine.until("running")
    boot.kill()
    boot.wait()
    Path(f"{machine.log}.go").touch()
    assert machine.run().returncode == 0
    assert machine.logged() == ["first", "second"]


def test_a_failed_step_is_tried_until_it_succeeds(machine: Machine) -> None:
    body = 'echo try >>"$LOG"; [ "$(wc -l <"$LOG")" -ge 4 ]'
    machine.step("1-a", body, "#every: 0.01")
    machine.step("2-b", 'echo after >>"$LOG"')
    assert machine.run().returncode == 0
    assert machine.logged() == ["try", "try", "try", "try", "after"]


@pytest.mark.parametrize("patience", [1])
def test_past_its_patience_it_reports_stalled_and_goes_on(
    waiting: tuple[Machine, subprocess.Popen[str]],
) -> None:
    machine, boot = waiting
    machine.until("stalled")
    shown = machine.run("status")
    assert shown.returncode == 1
    assert '"state": "stalled"' in shown.stdout
    assert "no go yet" in shown.stdout
    assert '"hint": "touch it"' in shown.stdout
    Path(f"{machine.log}.go").touch()
    output, _ = boot.communicate(timeout=LONG_SECONDS)
    assert boot.returncode == 0
    assert "STALLED; hint: touch it" in output
    assert output.count("no go yet") == 1, "a gate's repeated line must be printed once"
    assert machine.logged() == ["first", "second"]


def test_status_tells_what_it_waits_for(
    waiting: tuple[Machine, subprocess.Popen[str]],
) -> None:
    machine, _ = waiting
    status = machine.until("running")
    assert status["step"] == "20-second"
    assert status["output"] == "no go yet"
    shown = machine.run("status")
    assert shown.returncode == 1
    lines = shown.stdout.splitlines()
    assert lines[0] == "10-first", "the steps that are done come first"
    assert lines[2] == '"step": "20-second",', "one line for each thing"
    told = machine.run("status", "--json").stdout
    assert shown.stdout == f"10-first\n{told}"
    assert json.loads(told) == status


def test_status_before_and_after(machine: Machine) -> None:
    before = machine.run("status")
    assert before.returncode not in {0, 1}, "neither done nor on its way"
    machine.step("1-a", "true")
    machine.run()
    after = machine.run("status", "--json")
    assert after.returncode == 0
    assert json.loads(after.stdout)["state"] == "done"


def test_two_never_run_at_once(waiting: tuple[Machine, subprocess.Popen[str]]) -> None:
    machine, first = waiting
    machine.until("running")
    with machine.start() as second:
        time.sleep(0.3)
        assert second.poll() is None, "the second must wait for the first"
        Path(f"{machine.log}.go").touch()
        assert first.wait(LONG_SECONDS) == 0
        assert second.wait(LONG_SECONDS) == 0
    assert machine.logged() == ["first", "second"]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (r"\xff\xfeok\xc3\xa9", "ok"),
        (r'say "yes" \\n', "say yes n"),
        (r"\033[31mred\007\ttab", "[31mredtab"),
        ("%%s %%d %%", "%s %d %"),
    ],
)
def test_any_output_makes_a_status(machine: Machine, said: str, kept: str) -> None:
    body = f'printf {shlex.quote(said + chr(92) + "n")}; [ -e "$LOG.go" ]'
    machine.step("1-a", body, "#every: 0.05")
    with machine.start() as boot:
        try:
            assert machine.until("running")["output"] == kept
            Path(f"{machine.log}.go").touch()
            assert boot.wait(LONG_SECONDS) == 0
        finally:
            boot.kill()


def test_a_try_that_hangs_is_shown_with_its_beginning(machine: Machine) -> None:
    machine.step("1-a", 'echo begun; until [ -e "$LOG.go" ]; do sleep 0.05; done')
    with machine.start() as boot:
        status = machine.until("running")
        assert status["step"] == "1-a"
        assert abs(time.time() - _seconds(str(status["since"]))) < LONG_SECONDS
        Path(f"{machine.log}.go").touch()
        assert boot.wait(LONG_SECONDS) == 0


def _seconds(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp()


def test_an_action_is_tried_again_less_and_less_often(machine: Machine) -> None:
    pauses = machine.root / "pauses"
    sleep = machine.root / "bin/sleep"
    sleep.write_text(f'#!/bin/sh\necho "$1" >>{pauses}\n')
    sleep.chmod(0o755)
    machine.step("1-a", 'echo try >>"$LOG"; [ "$(wc -l <"$LOG")" -ge 8 ]')
    assert machine.run().returncode == 0
    assert pauses.read_text().split() == ["5", "10", "20", "40", "60", "60", "60"]


def test_shellcheck_has_nothing_to_say() -> None:
    assert_accepts([require_program("shellcheck"), "--exclude=SC1091", KHGEN_BOOT])


def test_help_names_each_command_and_anything_else_is_wrong_usage(machine: Machine) -> None:
    said = machine.run("--help")
    assert said.returncode == 0
    assert said.stdout == "usage: khgen-boot [status [--json] | applied]\n"
    for wrong in (("stauts",), ("status", "--yaml"), ("applied", "x")):
        done = machine.run(*wrong)
        assert done.returncode == 2
        assert done.stderr == said.stdout


def test_no_one_but_root_reads_what_it_reports(machine: Machine) -> None:
    machine.step("1-a", "true")
    (machine.root / "run/khgen").mkdir(mode=0o755)
    assert machine.run().returncode == 0
    assert (machine.root / "run/khgen").stat().st_mode & 0o777 == 0o700


def test_without_its_list_of_steps_it_is_not_done(machine: Machine) -> None:
    machine.step("1-a", "true")
    (machine.root / "etc/khgen/steps").unlink()
    done = machine.run()
    assert done.returncode == 1
    assert "the user-data is incomplete" in done.stdout
