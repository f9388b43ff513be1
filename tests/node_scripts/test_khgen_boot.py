"""khgen-boot itself, run as on a node, with a folder instead of the machine's own files."""

import json
import re
import shlex
import socket
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
    assert re.search(r"^stalled  20-second +\S+ \S+, for 0:0\d:\d\d$", shown.stdout, re.MULTILINE)
    assert "hint:         touch it\nlast line:    no go yet\n" in shown.stdout
    Path(f"{machine.log}.go").touch()
    output, _ = boot.communicate(timeout=LONG_SECONDS)
    assert boot.returncode == 0
    assert "STALLED; hint: touch it" in output
    assert output.count("no go yet") == 1, "a gate's repeated line must be printed once"
    assert machine.logged() == ["first", "second"]


def test_status_shows_each_step_and_what_it_waits_for(
    waiting: tuple[Machine, subprocess.Popen[str]],
) -> None:
    machine, _ = waiting
    machine.step("30-third", "true")
    machine.set_values(CLUSTER="demo")
    status = machine.until("running")
    assert (status["step"], status["output"]) == ("20-second", "no go yet")
    shown = machine.run("status")
    assert (shown.returncode, shown.stderr) == (1, "")
    title, first, second, *rest = shown.stdout.splitlines()
    assert title == f"{socket.gethostname()} of cluster 'demo': running"
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    assert re.fullmatch(rf"done     10-first +{when}, took 0:0\d:\d\d", first)
    assert re.fullmatch(rf"running  20-second +{when}, for 0:0\d:\d\d", second)
    assert rest[:4] == [
        "to come  30-third",
        "waits for:    what 20-second does",
        "hint:         touch it",
        "last line:    no go yet",
    ]


def test_status_for_programs_is_json_with_a_field_a_line(
    waiting: tuple[Machine, subprocess.Popen[str]],
) -> None:
    machine, _ = waiting
    status = machine.until("running")
    shown = machine.run("status", "--json")
    assert (shown.returncode, json.loads(shown.stdout)) == (1, status)
    assert shown.stdout.splitlines()[1] == '"step": "20-second",'


def test_status_before_and_after(machine: Machine) -> None:
    machine.step("1-a", "sleep 1.1")
    for arguments in (("status",), ("status", "--json")):
        before = machine.run(*arguments)
        assert (before.returncode, before.stdout) == (3, ""), "neither done nor on its way"
        assert before.stderr.startswith("not started, or you are not root: ")
    machine.run()
    after = machine.run("status", "--json")
    assert after.returncode == 0
    assert json.loads(after.stdout)["state"] == "done"
    shown = machine.run("status")
    assert (shown.returncode, shown.stderr) == (0, "")
    title, *steps = shown.stdout.splitlines()
    assert title.endswith(": done")
    (step,) = steps
    hours, minutes, seconds = step.rpartition("took ")[2].split(":")
    assert step.startswith("done     1-a ")
    assert int(hours) * 3600 + int(minutes) * 60 + int(seconds) >= 1


def test_a_step_that_is_no_gate_does_something(machine: Machine) -> None:
    machine.step("1-a", 'until [ -e "$LOG.go" ]; do sleep 0.05; done')
    with machine.start() as boot:
        try:
            machine.until("running", lambda status: status["step"])
            assert "\ndoes:         what 1-a does\n" in machine.run("status").stdout
        finally:
            Path(f"{machine.log}.go").touch()
            boot.wait(LONG_SECONDS)


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
    help_text = machine.run("--help")
    assert help_text.returncode == 0
    assert help_text.stdout.startswith("usage: khgen-boot ")
    commands = re.findall(r"khgen-boot (\S.*?)  ", help_text.stdout)
    assert commands == ["status", "applied", "apply FOLDER|URL [--alone]"]
    for wrong in (("stauts",), ("status", "--yaml"), ("applied", "x"), ("apply",), ("--halp",)):
        done = machine.run(*wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == help_text.stdout
    assert machine.logged() == []


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
