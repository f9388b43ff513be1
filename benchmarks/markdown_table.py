"""The output of the benchmarks: Markdown tables, as in docs/."""

import sys


def say(*cells: object) -> None:
    """Print one row of a table, at once."""
    sys.stdout.write(f"| {' | '.join(map(str, cells))} |\n")
    sys.stdout.flush()
