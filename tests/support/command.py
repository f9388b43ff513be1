"""Runs the khgen command as a user does."""

import os
import subprocess
import sys
from pathlib import Path


def khgen(
    *arguments: str | Path, cwd: Path, stdin: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """One run of khgen as a process of its own; never raises for its exit code."""
    return subprocess.run(
        [sys.executable, "-m", "khgen", *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        env={**os.environ, "NO_COLOR": "1", **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
