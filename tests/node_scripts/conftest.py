"""Machines for tests of khgen-boot."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.boot_machine import LONG_SECONDS, Machine
from support.programs import require_namespaces


@pytest.fixture
def patience() -> int:
    """Seconds until a step is stalled: none is, but where a test says otherwise."""
    return 10 * LONG_SECONDS


@pytest.fixture
def machine(tmp_path: Path, patience: int) -> Machine:
    require_namespaces()
    return Machine(tmp_path, patience)


@pytest.fixture
def waiting(machine: Machine) -> Iterator[tuple[Machine, subprocess.Popen[str]]]:
    """A machine whose second step waits for a file."""
    machine.step("10-first", 'echo first >>"$LOG"')
    body = '[ -e "$LOG.go" ] || { echo "no go yet"; exit 1; }\necho second >>"$LOG"'
    machine.step("20-second", body, "#hint: touch it", "#every: 0.05")
    with machine.start() as boot:
        yield machine, boot
        boot.kill()
