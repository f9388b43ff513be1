"""Kills commands of khgen and checks what is left.

PYTHONPATH=tests .venv/bin/python -m kills --nodes 1500 --kills 1000
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from kills.cluster import Folder
from kills.play import CASES, SYSTEM_CALLS, Killed, Play


def main() -> int:
    """Kill as often as was asked for; 1 if something did not hold."""
    given = _arguments()
    killed: list[Killed] = []
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="kills-") as name:
        folder = Folder(path=Path(name), nodes=given.nodes)
        play = Play(
            folder=folder,
            chance=random.Random(given.seed),  # noqa: S311
            every=given.every,
        )
        play.prepare()
        began = time.monotonic()
        for number in range(given.kills):
            if time.monotonic() - began > given.minutes * 60:
                break
            case, call = chosen(number, given.only or list(CASES))
            one = play.kill(case, call)
            killed.append(one)
            if one.wrong:
                sys.stderr.write(f"kill {number}, {one.case} by {one.way}: {one.wrong}\n")
    sys.stdout.write(table(killed))
    return 1 if any(one.wrong for one in killed) else 0


def chosen(number: int, cases: Sequence[str]) -> tuple[str, str | None]:
    """The command of that kill, and its system call; each other kill is at a random time."""
    turn, place = divmod(number, len(cases))
    call = SYSTEM_CALLS[turn // 2 % len(SYSTEM_CALLS)] if turn % 2 else None
    return cases[place], call


def table(killed: Sequence[Killed]) -> str:
    """A Markdown table: how the commands ended, and how much of it was wrong."""
    lines = ["| command | kills | ended | slowest last process | wrong |", "|---|---|---|---|---|"]
    for case in dict.fromkeys(one.case for one in killed):
        of = [one for one in killed if one.case == case]
        counts = Counter(one.ended for one in of).most_common()
        ended = ", ".join(f"{count} {word}" for word, count in counts)
        slowest = max(one.gone_after for one in of)
        wrong = sum(bool(one.wrong) for one in of)
        lines.append(f"| {case} | {len(of)} | {ended} | {slowest:.2f} s | {wrong} |")
    wrong = sum(bool(one.wrong) for one in killed)
    return "\n".join((*lines, f"| all | {len(killed)} | | | {wrong} |", ""))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kills", description="Kills commands of khgen")
    parser.add_argument("--nodes", type=int, default=5)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--only", action="append", choices=CASES, help="a command; repeatable")
    parser.add_argument("--seed", type=int, default=0, help="of the random times and places")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--minutes", type=float, default=1e6, help="stop after so many")
    parser.add_argument(
        "--every", type=int, default=1, help="check diff and all modes at every so many kills only"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
