"""Commands that are killed, in the size that CI bears; `python -m kills` is the full one."""

import random
from pathlib import Path

import pytest

from kills.__main__ import chosen
from kills.cluster import Folder
from kills.play import CASES, Play
from support.programs import require_program

KILLS = 16
"""Each command once at a random time, and once at a system call."""


@pytest.mark.tools
def test_a_killed_command_leaves_all_old_or_all_new_and_nothing_else(tmp_path: Path) -> None:
    require_program("strace")
    folder = Folder(path=tmp_path, nodes=5)
    play = Play(folder=folder, chance=random.Random(1))  # noqa: S311
    play.prepare()
    killed = [play.kill(*chosen(number, list(CASES))) for number in range(KILLS)]
    assert [(one.case, one.way, one.wrong) for one in killed if one.wrong] == []
    assert {one.case for one in killed} == set(CASES)


@pytest.mark.parametrize("number", range(3))
def test_a_killed_render_of_many_nodes_lets_go(tmp_path: Path, number: int) -> None:
    folder = Folder(path=tmp_path, nodes=400)
    play = Play(folder=folder, chance=random.Random(number))  # noqa: S311
    folder.write_spec("pool-0.example.com")
    play.finish("re-render")
    one = play.kill("re-render", None)
    assert one.wrong == ""
