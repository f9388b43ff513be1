"""Commands that are killed, as many as CI has time for; `python -m kills` kills more."""

import json
import random
import re
import signal
import subprocess
from pathlib import Path

import pytest

from khgen.disk.locks import locked_folder
from kills.__main__ import chosen
from kills.cluster import Folder
from kills.play import CASES, KHGEN, LONGEST_END, STRACE, Play, wait_until_gone
from support.programs import require_program

CHOSEN = [chosen(number + len(CASES) * (number % 2), list(CASES)) for number in range(len(CASES))]
"""Each command once, in turn at a random time and at a system call."""

MOVES = "/^(rename|unlink|rmdir)"
"""The system calls by which an output takes the other's place: strace's expression."""


@pytest.mark.tools
def test_a_killed_command_leaves_all_old_or_all_new_and_nothing_else(tmp_path: Path) -> None:
    require_program("strace")
    play = Play(folder=Folder(path=tmp_path, nodes=5), chance=random.Random(1))  # noqa: S311
    play.prepare()
    killed = [play.kill(case, call) for case, call in CHOSEN]
    assert [(one.case, one.way, one.wrong) for one in killed if one.wrong] == []
    at_a_call = [one for one in killed if one.way != "time"]
    assert [one.case for one in at_a_call if one.ended != "killed"] == []


@pytest.mark.tools
def test_a_render_killed_before_the_swap_leaves_the_old_output_and_after_it_the_new(
    tmp_path: Path,
) -> None:
    strace = require_program("strace")
    folder = Folder(path=tmp_path, nodes=5)
    render, log = (*KHGEN, "render", "cluster.yaml"), tmp_path / "log"

    def rendered(pool: str, *before: str) -> object:
        folder.write_spec(pool)
        done = subprocess.run((*before, *render), cwd=tmp_path, check=False, capture_output=True)
        killed = any("SIGKILL" in word for word in before)
        assert done.returncode == (-signal.SIGKILL if killed else 0), done.stderr
        folder.check_whole()
        manifest = json.loads(folder.listings()["out"] or b"{}")
        # Another render of the same spec in between gives updates that are newer.
        return {name: entry["userData"] for name, entry in manifest["nodes"].items()}

    new, old = rendered("new.example.com"), rendered("old.example.com")
    assert old != new
    traced = rendered("new.example.com", strace, *STRACE[1:], f"--trace={MOVES}", f"-o{log}")
    assert traced == new
    calls = re.findall(r"^\d+ +(\w+)\((.*)", log.read_text(encoding="utf-8"), re.MULTILINE)
    swap = next(
        n for n, (name, of) in enumerate(calls) if "rename" in name and str(folder.out) in of
    )
    for place in (swap - 1, swap + 1, len(calls) - 1):
        assert rendered("old.example.com") == old
        name = calls[place][0]
        number = [other for other, _ in calls[: place + 1]].count(name)  # strace counts by name
        kill = f"--inject={name}:signal=SIGKILL:when={number}"
        left = rendered("new.example.com", strace, *STRACE[1:], f"-o{log}", kill)
        assert left == (old if place < swap else new), f"at call {place}, swapped at {swap}"


def test_the_writers_of_a_killed_render_end_and_let_the_lock_go(tmp_path: Path) -> None:
    Folder(path=tmp_path, nodes=400).write_spec("pool.example.com")
    with subprocess.Popen(
        [*KHGEN, "render", "cluster.yaml"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        while not any(tmp_path.glob(".out.khgen-*/nodes/n00*/user-data")):
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    wait_until_gone(process.pid)
    with locked_folder(tmp_path, patience=LONGEST_END):
        assert not (tmp_path / "out").exists()
