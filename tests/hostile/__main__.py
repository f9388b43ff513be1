"""Hostile strings in every place of cluster.yaml, as one command.

PYTHONPATH=tests .venv/bin/python -m hostile --strings 1200 --jobs 2
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from multiprocessing import Pool

from hostile.judge import outcome
from hostile.places import FIELDS
from hostile.strings import LITERAL, by_chance

SEED = 20260101


def strings_for(number: int, count: int) -> Iterator[str]:
    """The literal strings first, then as many by chance as are wanted."""
    chance = random.Random(SEED + number)  # noqa: S311 - repeatable on purpose
    yield from LITERAL[:count]
    yield from islice(by_chance(chance), max(0, count - len(LITERAL)))


def play(task: tuple[int, int, int]) -> tuple[Counter[str], list[str]]:
    """All strings of one place; every so many that are accepted is rendered."""
    number, count, every = task
    field = FIELDS[number]
    counts: Counter[str] = Counter()
    wrong = []
    for index, text in enumerate(strings_for(number, count)):
        render = (index + number) % every == 0
        try:
            accepted = outcome(field, text, render=render)
        except Exception as error:  # noqa: BLE001 - the harness reports all of them
            wrong.append(f"{field.path} {field.name} {text!r}: {type(error).__name__}: {error}")
            continue
        counts["accepted" if accepted else "refused"] += 1
        counts["rendered"] += accepted and render
    return counts, wrong


def main() -> int:
    """Play all places; 1 if a string did not come back."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strings", type=int, default=1200, help="for each place")
    parser.add_argument("--every", type=int, default=1, help="render one of so many")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    tasks = [(number, given.strings, given.every) for number in range(len(FIELDS))]
    counts: Counter[str] = Counter()
    failures = 0
    with Pool(given.jobs) as pool:
        for found, wrong in pool.imap_unordered(play, tasks):
            counts += found
            failures += len(wrong)
            sys.stdout.writelines(f"{line[:400]}\n" for line in wrong[:5])
            sys.stdout.flush()
    sys.stdout.write(f"{len(FIELDS)} places, {counts.total() - counts['rendered']} strings: ")
    sys.stdout.write(f"{dict(counts)}, {failures} wrong\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
