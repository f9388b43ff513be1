"""khgen-boot itself, run as a node runs it, with its paths under a folder."""

import ast
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from khgen.resources import resource_folder

KHGEN_BOOT = resource_folder("templates") / "cloud-init" / "khgen-boot"
Status = dict[str, object]


class Machine:
    """A folder that khgen-boot takes for a machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.steps = root / "etc/khgen/steps.d"
        self.steps.mkdir(parents=True)
        self.log = root / "log"
        self.log.touch()
        self.set_values(NAME="node one")

    def set_values(self, **values: str) -> None:
        lines = [f"{name}='{value}'\n" for name, value in {**values, "LOG": str(self.log)}.items()]
        (self.root / "etc/khgen/node.env").write_text("".join(lines), encoding="utf-8")

    def step(self, name: str, body: str, *headers: str) -> None:
        lines = ["#!/bin/bash", f"#: what {name} does", *headers, "set -euo pipefail", body, ""]
        (self.steps / name).write_text("\n".join(lines), encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(KHGEN_BOOT), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "KHGEN_ROOT": str(self.root)}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(), env=self.environment, stdout=subprocess.PIPE, text=True
        )

    def logged(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").split("\n")[:-1]

    def status(self) -> Status:
        status: Status = json.loads((self.root / "run/khgen/status.json").read_text())
        return status

    def until(self, state: str) -> Status:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if (self.root / "run/khgen/status.json").exists() and (
                self.status()["state"] == state and self.status().get("output")
            ):
                return self.status()
            time.sleep(0.02)
        pytest.fail(f"never became {state}: {self.status()}")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def waiting(machine: Machine) -> Iterator[tuple[Machine, subprocess.Popen[str]]]:
    """A machine whose second step waits for a file."""
    machine.step("10-first", 'echo first >>"$LOG"')
    body = '[ -e "$LOG.go" ] || { echo "no go yet"; exit 1; }\necho second >>"$LOG"'
    machine.step("20-second", body, "#hint: touch it", "#every: 0.05", "#patience: 1")
    with machine.start() as boot:
        yield machine, boot
        boot.kill()


def test_steps_run_in_order_with_the_nodes_values(machine: Machine) -> None:
    machine.step("20-b", 'echo "b $NAME" >>"$LOG"')
    machine.step("03-a", 'echo "a $NAME" >>"$LOG"')
    machine.step("30-c", 'echo "c $NAME" >>"$LOG"')
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert machine.logged() == ["a node one", "b node one", "c node one"]
    assert "03-a: what 03-a does" in done.stdout
    assert done.stdout.endswith("khgen-boot: done\n")


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


def test_past_its_patience_it_reports_stalled_and_goes_on(
    waiting: tuple[Machine, subprocess.Popen[str]],
) -> None:
    machine, boot = waiting
    machine.until("stalled")
    shown = machine.run("status")
    assert shown.returncode == 2
    assert "no go yet" in shown.stdout
    assert "hint: touch it" in shown.stdout
    Path(f"{machine.log}.go").touch()
    output, _ = boot.communicate(timeout=10)
    assert boot.returncode == 0
    assert "20-second STALLED, going on; hint: touch it" in output
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
    for line in (
        "state: running",
        "done: ['10-first']",
        "step: 20-second",
        "output: no go yet",
        "hint: touch it",
    ):
        assert line in shown.stdout.splitlines()
    as_json = machine.run("status", "--json")
    assert json.loads(as_json.stdout)["step"] == "20-second"


def test_status_before_and_after(machine: Machine) -> None:
    before = machine.run("status")
    assert (before.returncode, before.stdout) == (1, "state: not started\n")
    machine.step("1-a", "true")
    machine.run()
    after = machine.run("status")
    assert after.returncode == 0
    assert after.stdout.splitlines() == ["state: done", "done: ['1-a']"]


def test_two_never_run_at_once(waiting: tuple[Machine, subprocess.Popen[str]]) -> None:
    machine, first = waiting
    machine.until("running")
    with machine.start() as second:
        time.sleep(0.3)
        assert second.poll() is None, "the second must wait for the first"
        Path(f"{machine.log}.go").touch()
        assert first.wait(10) == 0
        assert second.wait(10) == 0
    assert machine.logged() == ["first", "second"]


def test_secrets_in_cloud_inits_copies_go_only_when_all_is_done(
    waiting: tuple[Machine, subprocess.Popen[str]],
) -> None:
    machine, boot = waiting
    instance = machine.root / "var/lib/cloud/instances/i-1"
    instance.mkdir(parents=True)
    wiped = ("user-data.txt", "user-data.txt.i", "cloud-config.txt")
    kept = ("vendor-data.txt", "obj.pkl")
    for name in (*wiped, *kept):
        (instance / name).write_text("PRIVATE KEY", encoding="utf-8")
        (instance / name).chmod(0o600)
    machine.until("running")
    assert (instance / wiped[0]).read_text() == "PRIVATE KEY"
    Path(f"{machine.log}.go").touch()
    boot.communicate(timeout=10)
    for name in wiped:
        assert (instance / name).read_text() == "#cloud-config\n"
        assert (instance / name).stat().st_mode & 0o777 == 0o600
    for name in kept:
        assert (instance / name).read_text() == "PRIVATE KEY"


def test_output_that_is_not_utf8_stops_nothing(machine: Machine) -> None:
    machine.step("1-a", r"printf '\xff\xfe\n'; printf '%%s %%d\n'")
    assert machine.run().returncode == 0


def test_it_runs_on_the_oldest_python_of_the_supported_systems() -> None:
    ast.parse(KHGEN_BOOT.read_text(encoding="utf-8"), feature_version=(3, 9))
