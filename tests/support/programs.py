"""Real programs that tests run: skipped where a laptop lacks them, insisted on in CI."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

UNPACKED = Path(__file__).resolve().parents[2] / ".venv" / "debian" / "usr"
"""Where tests/setup.sh puts programs that must not be installed."""

SYSTEM_PATH = os.pathsep.join(
    (
        *(os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"),
        *(str(UNPACKED / folder) for folder in ("sbin", "bin")),
    )
)


def require_program(name: str) -> str:
    """The program's path; without it the test is skipped, or fails where CI=true."""
    path = shutil.which(name, path=SYSTEM_PATH)
    if path is None:
        unavailable(f"{name} is not installed")
    return path or ""


def require_namespaces() -> None:
    """Skip (in CI: fail) unless this is root on a Linux that lets it make network namespaces."""
    ip = require_program("ip")
    require_program("unshare")
    if os.geteuid() != 0:
        unavailable("needs root, for network namespaces")
    trial = subprocess.run(
        [require_program("unshare"), "--net", "--mount", ip, "link", "set", "lo", "up"],
        check=False,
        capture_output=True,
    )
    if trial.returncode:
        unavailable(f"cannot make network namespaces: {trial.stderr.decode().strip()}")


def unavailable(reason: str) -> None:
    """Skip the test for that reason, or fail it where CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (CI=true insists)")
    pytest.skip(reason)


def run(command: Sequence[str | Path], *, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return what it said; it must not take longer than `seconds`."""
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds,
        env={**os.environ, "PATH": SYSTEM_PATH},
    )


def assert_accepts(command: Sequence[str | Path], *, seconds: float = 30) -> str:
    """Run a program that judges a file; its output is the failure's message."""
    done = run(command, seconds=seconds)
    output = done.stdout + done.stderr
    assert done.returncode == 0, f"{' '.join(map(str, command))}: exit {done.returncode}\n{output}"
    return output
