"""What the benchmarks print: Markdown, as the pages in docs/ have it."""

import sys


def say(*cells: object) -> None:
    """Print one row of a table, at once."""
    sys.stdout.write(f"| {' | '.join(map(str, cells))} |\n")
    sys.stdout.flush()
