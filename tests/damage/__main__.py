"""Every damage of a secrets file as one command; see docs/security.md.

PYTHONPATH=tests .venv/bin/python -m damage
"""

import argparse
import sys
import tempfile
from collections import Counter
from itertools import islice
from pathlib import Path

from damage.cases import all_damages
from damage.judge import Judge, Outcome
from damage.subject import KEY, other_text, whole_text


def main() -> int:
    """Judge the damages and print a line for each kind; 1 if one was accepted."""
    parser = argparse.ArgumentParser(prog="damage", description="Damaged secrets files")
    parser.add_argument("--every", type=int, default=1, help="judge only each so manieth damage")
    parser.add_argument(
        "--key", action="store_true", help="damage a file that is sealed with a key"
    )
    given = parser.parse_args()
    key = KEY if given.key else None
    text = whole_text(key)
    counts: Counter[tuple[str, Outcome]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        damages = islice(all_damages(text, other_text(key)), 0, None, given.every)
        for damage, outcome in Judge(text, Path(folder), key).outcomes(damages):
            counts[damage.kind, outcome] += 1
            if outcome in {Outcome.ACCEPTED, Outcome.UNCLEAR}:
                sys.stdout.write(f"{damage.kind} {damage.where}: {outcome}\n")
    for kind in sorted({kind for kind, _ in counts}):
        parts = (f"{counts[kind, o]:,} {o}" for o in Outcome if counts[kind, o])
        sys.stdout.write(f"{kind}: {', '.join(parts)}\n")
    bad = sum(counts[found] for found in counts if found[1] in {Outcome.ACCEPTED, Outcome.UNCLEAR})
    sys.stdout.write(f"{counts.total():,} damages, {bad:,} of them accepted or unclear\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
