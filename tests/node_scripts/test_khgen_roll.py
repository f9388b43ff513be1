"""khgen-roll on a machine that needs no other: files in their places, steps, and what cuts it off."""

import json
import re
import signal
from pathlib import Path

import pytest

from support.programs import assert_accepts, require_namespaces, require_program
from support.updates import Content, UpdatedMachine, eventually, step

pytestmark = pytest.mark.tools
LOG = "/var/lib/log"
STATE = "/var/lib/khgen/update"
STEPS = "/etc/khgen/steps.d"
RELOAD = f"{STEPS}/20-reload"
FIRST: Content = {
    f"{STEPS}/10-always": step(f"echo always >>{LOG}"),
    RELOAD: step(f"cat /etc/app/conf >>{LOG}", "#files: /etc/app/*"),
    "/etc/app/conf": (0o600, "first\n"),
    "/etc/app/old": (0o644, "goes\n"),
    "/etc/same": (0o644, "same\n"),
}
NEW: Content = {
    **{path: file for path, file in FIRST.items() if path != "/etc/app/old"},
    "/etc/app/conf": (0o640, "new\n"),
    "/etc/app/added/by": (0o755, "added\n"),
}


@pytest.fixture
def machine(tmp_path: Path) -> UpdatedMachine:
    """A load balancer with an update in force."""
    require_namespaces()
    require_program("openssl")
    machine = UpdatedMachine(tmp_path, "lb1", "load-balancer")
    machine.boots_with(FIRST)
    machine.accepts(machine.update(5, FIRST))
    machine.rolls()
    machine.asked_systemctl()
    machine.path(LOG).unlink()
    return machine


def logged(machine: UpdatedMachine) -> list[str]:
    path = machine.path(LOG)
    return path.read_text().split() if path.exists() else []


def placed(machine: UpdatedMachine, files: Content) -> bool:
    """Whether these are its files, and no other of an update is."""
    whole = machine.whole(files)
    others = {path for path in {**FIRST, **NEW} if path not in whole}
    return not any(machine.path(path).exists() for path in others) and all(
        machine.path(path).exists()
        and machine.path(path).read_text() == text
        and machine.path(path).stat().st_mode & 0o777 == mode
        for path, (mode, text) in whole.items()
    )


def test_files_are_placed_and_the_steps_of_what_changed_run(machine: UpdatedMachine) -> None:
    before = machine.path("/etc/same").stat()
    machine.place(f"{STEPS}/99-unknown", "left by somebody")
    machine.place("/etc/containerd/certs.d/gone.example/hosts.toml", "left")
    machine.accepts(machine.update(6, NEW))
    assert machine.rolls().splitlines()[-1] == "generation 6 is in force"
    assert placed(machine, NEW)
    assert logged(machine) == ["new"], "the other step's input is as it was"
    after = machine.path("/etc/same").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    assert not machine.path(f"{STEPS}/99-unknown").exists()
    assert not machine.path("/etc/containerd/certs.d/gone.example/hosts.toml").exists()
    assert (machine.linked("wanted"), machine.linked("applied")) == (None, 6)
    asked = machine.asked_systemctl()
    assert asked[2:] == [
        *("stop khgen-boot", "daemon-reload", "restart khgen-boot"),
        "is-active haproxy",
    ]
    assert machine.rolls() == "generation 6 is in force\n"
    assert machine.asked_systemctl() == [], "nothing is left to do"


def test_the_first_update_removes_nothing_that_it_does_not_own(tmp_path: Path) -> None:
    require_namespaces()
    machine = UpdatedMachine(tmp_path, "lb1", "load-balancer")
    machine.boots_with(FIRST)
    machine.accepts(machine.update(6, NEW))
    machine.rolls()
    assert machine.path("/etc/app/old").exists(), "nobody knows that it was an update's"
    machine.path("/etc/app/old").unlink()
    assert placed(machine, NEW)


def test_status_for_people_and_programs(machine: UpdatedMachine) -> None:
    machine.accepts(machine.update(6, {**NEW, RELOAD: step("echo no room; exit 1")}))
    with machine.running("khgen-roll"):
        line = machine.until("rolling", "no room")
        assert line == "20-reload: no room"
        shown = machine.run("khgen-roll", "status")
        assert shown.returncode == 1
        first, second = shown.stdout.splitlines()
        assert re.fullmatch(r"rolling since 20\S+Z: 20-reload: no room", first)
        assert second == "generation 6, in force: 5"
        boot = machine.run("khgen-boot", "status")
        assert "\nupdate:       20-reload: no room\n" in boot.stdout
    machine.accepts(machine.update(7, NEW))
    machine.rolls()
    shown = machine.run("khgen-roll", "status")
    assert (shown.returncode, shown.stdout.splitlines()[1]) == (0, "generation 7, in force: 7")
    machine.refuses(machine.update(3, NEW))
    shown = machine.run("khgen-roll", "status")
    assert shown.returncode == 1
    assert "refused: its generation 3 is older" in shown.stdout


def test_a_step_that_stalls_is_a_failure_until_it_succeeds(machine: UpdatedMachine) -> None:
    machine.environment["PATIENCE"] = "1"
    body = f"[ -e {LOG}.go ] || {{ echo no go; exit 1; }}"
    machine.accepts(machine.update(6, {**NEW, RELOAD: step(body, "#every: 0.1")}))
    with machine.running("khgen-roll") as roll:
        machine.until("failed", "20-reload: no go")
        assert machine.linked("applied") == 5
        machine.place(f"{LOG}.go", "")
        assert roll.wait(60) == 0
    assert machine.linked("applied") == 6


def test_a_newer_update_takes_the_place_of_one_that_failed(machine: UpdatedMachine) -> None:
    machine.environment["PATIENCE"] = "1"
    broken = {**NEW, RELOAD: step("echo broken; exit 1"), "/etc/app/broken": (0o644, "x")}
    machine.accepts(machine.update(6, broken))
    with machine.running("khgen-roll"):
        machine.until("failed", "20-reload: broken")
        # systemd ends khgen-roll, and starts it again.
    machine.accepts(machine.update(7, NEW))
    machine.rolls()
    assert machine.linked("applied") == 7
    assert not machine.path("/etc/app/broken").exists(), "of one that was placed, never applied"
    assert placed(machine, NEW)


def test_where_there_is_no_room_nothing_changes(machine: UpdatedMachine) -> None:
    """/etc is too small for what the update brings."""
    large = {**NEW, "/etc/zzz": (0o644, "x" * 2_000_000)}
    machine.accepts(machine.update(6, large))
    before = machine.tree()
    small = "mount -t tmpfs -o size=1m none /mnt; cp -a /etc/. /mnt; mount --move /mnt /etc; "
    watch = (
        "khgen-roll & until grep -q 'No space' /run/khgen/roll.json; do sleep 0.1; done; "
        "cp -a /etc $0/etc.then; kill $!"
    )
    done = machine.run("bash", "-c", small + watch, machine.root)
    assert "a file cannot be placed: [Errno 28] No space left on device" in done.stdout, done.stderr
    then = {
        f"/etc/{file.relative_to(machine.root / 'etc.then')}": file.read_text()
        for file in (machine.root / "etc.then").rglob("*")
        if file.is_file()
    }
    assert then == {path: text for path, text in before.items() if path.startswith("/etc/")}
    # With room again, it goes on.
    machine.rolls()
    assert placed(machine, large)


def test_an_old_seed_does_not_undo_an_update(machine: UpdatedMachine) -> None:
    machine.accepts(machine.update(6, NEW))
    machine.rolls()
    for path, (mode, text) in machine.whole(FIRST).items():
        machine.place(path, text, mode)
    machine.path(LOG).unlink()
    kept = machine.run("khgen-roll", "keep")
    assert kept.returncode == 0, kept.stderr
    assert placed(machine, NEW)
    assert "placed again: /etc/app/conf\n" in kept.stdout
    assert machine.run("khgen-boot").returncode == 0
    assert logged(machine) == [], "nothing changed"


def test_whoever_starts_khgen_boot_gets_the_files_of_the_update(machine: UpdatedMachine) -> None:
    """An old seed's runcmd places its files later than khgen-keep.service."""
    machine.accepts(machine.update(6, NEW))
    machine.rolls()
    machine.path(LOG).unlink()
    machine.place("/etc/app/conf", "old\n")
    machine.place("/etc/khgen/steps", "10-always\n")
    restarts_khgen_boot(machine, "all done")
    assert placed(machine, NEW)
    assert logged(machine) == []


def restarts_khgen_boot(machine: UpdatedMachine, line: str) -> None:
    """As systemd does it, until it prints that line."""
    (machine.root / "boot.log").write_text("")
    words = "systemctl restart khgen-boot; while sleep 1; do :; done"
    with machine.running("bash", "-c", words):
        eventually(lambda: line in (machine.root / "boot.log").read_text())


def test_a_machine_that_takes_the_nodes_place_starts_anew(machine: UpdatedMachine) -> None:
    values = machine.path("/etc/khgen/node.env").read_text()
    machine.place("/etc/khgen/node.env", values.replace("ab12cd34", "00000001"))
    machine.place("/etc/app/conf", "of the new machine\n")
    assert "has taken the node's place" in machine.run("khgen-roll", "keep").stdout
    assert not machine.path(STATE).exists()
    assert machine.path("/etc/app/conf").read_text() == "of the new machine\n"


def test_an_unreadable_node_env_is_no_other_machine(machine: UpdatedMachine) -> None:
    machine.place("/etc/khgen/node.env", "")
    assert machine.run("khgen-roll", "keep").returncode == 0
    assert placed(machine, FIRST)


def test_khgen_boot_does_not_start_between_two_updates(machine: UpdatedMachine) -> None:
    """khgen-roll cannot complete what was cut off: nothing reads such files."""
    machine.accepts(machine.update(6, NEW))
    machine.path("/run/khgen/status.json").unlink()
    link = machine.path(f"{STATE}/placing")
    link.symlink_to(machine.path(f"{STATE}/wanted").readlink())
    # A folder is where a file belongs.
    machine.path("/etc/app/conf").unlink()
    (machine.path("/etc/app/conf") / "x").mkdir(parents=True)
    restarts_khgen_boot(machine, "a file of the last update cannot be placed: [Errno 21] Is a dir")
    assert logged(machine) == []
    assert not machine.path("/run/khgen/status.json").exists()
    (machine.path("/etc/app/conf") / "x").rmdir()
    machine.path("/etc/app/conf").rmdir()
    restarts_khgen_boot(machine, "all done")
    assert placed(machine, NEW)
    assert logged(machine) == ["new"]


PLACING = "/^(rename|unlink|symlink|fchmod|fsync|mkdir|rmdir)"
"""The system calls by which files change, and what makes a change last: strace's expression."""


def test_killed_at_each_system_call_of_an_update_it_converges(machine: UpdatedMachine) -> None:
    """Files are all of one update or of the other before anything starts that reads them."""
    strace = require_program("strace")
    kept = machine.root.parent / "kept"
    copy = f"rm -rf {kept}; cp -a {machine.root} {kept}".split("; ")
    again = f"rm -rf {machine.root}; cp -a {kept} {machine.root}".split("; ")
    machine.accepts(machine.update(6, NEW))
    for command in copy:
        assert_accepts(command.split())
    trace = machine.root.parent / "trace"
    words = [strace, "-qqq", "-o", str(trace)]
    assert machine.run(*words, f"--trace={PLACING}", "khgen-roll").returncode == 0
    calls = re.findall(r"^(\w+)\(", trace.read_text(), re.MULTILINE)
    assert len(calls) > 30
    states, cuts = set(), 0
    for place, name in enumerate(calls):
        for command in again:
            assert_accepts(command.split())
        number = calls[: place + 1].count(name)
        killed = machine.run(*words, f"--inject={name}:signal=SIGKILL:when={number}", "khgen-roll")
        # A run that is slower reports more often, so it makes some calls later, or more of them.
        assert killed.returncode in {0, 128 + signal.SIGKILL}, (place, killed.stderr)
        cuts += killed.returncode != 0
        # /run is empty after a power cut.
        for file in machine.path("/run/khgen").iterdir():
            file.unlink()
        kept_again = machine.run("khgen-roll", "keep")
        assert kept_again.returncode == 0, kept_again.stderr
        old, new = placed(machine, FIRST), placed(machine, NEW)
        assert old != new, f"killed at {place}, {name}: files of two updates"
        states.add(new)
        machine.rolls()
        assert placed(machine, NEW), f"killed at {place}, {name}"
        assert (machine.linked("wanted"), machine.linked("applied")) == (None, 6)
        assert not [*machine.path("/etc").rglob(".*.khgen-new")]
        assert sorted(path.name for path in machine.path(STATE).iterdir()) == sorted(
            ["applied", "placed", "removed", machine.path(f"{STATE}/applied").readlink().name]
        )
    assert states == {False, True}
    assert cuts > 0.9 * len(calls)


def test_a_process_that_holds_the_lock_is_waited_for(machine: UpdatedMachine) -> None:
    """Two at once place one update."""
    machine.accepts(machine.update(6, NEW))
    script = "khgen-roll & khgen-roll & khgen-roll keep & wait"
    done = machine.run("bash", "-c", script)
    assert done.stdout.count("generation 6 is in force") == 3 - 1, done.stdout + done.stderr
    assert logged(machine) == ["new"]


def test_usage(machine: UpdatedMachine) -> None:
    shown = machine.run("khgen-roll", "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    for wrong in ("x", "keep x", "accept", "accept x --halp"):
        done = machine.run("khgen-roll", *wrong.split())
        assert (done.returncode, done.stdout) == (2, shown.stdout)


def test_a_status_of_programs_is_json_with_a_field_a_line(machine: UpdatedMachine) -> None:
    text = machine.path("/run/khgen/roll.json").read_text()
    assert set(json.loads(text)) == {"state", "line", "since", "generation", "applied"}
    assert '"line": "generation 5 is in force",' in text.splitlines()
    assert eventually(lambda: text) == text
