"""A cgroup of its own for each host, in every hierarchy that this machine has; capped if asked."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from khgen.rehearse.processes import ProgramError

ROOT = Path("/sys/fs/cgroup")
PREFIX = "khgen-rehearsal-"
PATIENCE = 5.0
CPU_PERIOD = 100_000
"""Microseconds in which a host has its share; the kernel's own default (sched-bwc.rst)."""


class Layout(StrEnum):
    """How this machine's controllers are arranged (cgroups(7))."""

    V1 = "v1"
    V2 = "v2"


def layout() -> Layout:
    """Where the controllers are: in one tree (v2), or each in its own (v1, hybrid)."""
    return Layout.V2 if (ROOT / "cgroup.controllers").exists() else Layout.V1


class Cgroups:
    """The cgroups of one rehearsal: a parent in each hierarchy, and a child for each host."""

    def __init__(self, cpus: float | None = None) -> None:
        """The parents; what killed rehearsals left is cleared on the way.

        `cpus` is the share of processors that each host has at most, 1 being all of one.
        """
        self.layout = layout()
        self._cpus = cpus
        self._name = f"{PREFIX}{os.getpid()}"
        _clear_stale()
        for tree in _trees():
            _make(tree, tree / self._name)

    def of(self, host: str) -> tuple[Path, ...]:
        """The host's cgroups, made if they are not there."""
        made = []
        for tree in _trees():
            cgroup = tree / self._name / host
            _make(tree / self._name, cgroup)
            made.append(cgroup)
        if self._cpus is not None:
            _cap(made, self._cpus)
        return tuple(made)

    def forget(self, host: str) -> None:
        """Remove the host's cgroups: a machine without power has none."""
        for tree in _trees():
            _remove(tree / self._name / host)

    def close(self) -> None:
        """Remove everything."""
        for tree in _trees():
            _remove(tree / self._name)


def _trees() -> Iterator[Path]:
    if layout() is Layout.V2:
        yield ROOT
        return
    for tree in sorted(ROOT.iterdir()):
        if (tree / "cgroup.procs").exists() and not tree.is_symlink():
            yield tree


def _make(parent: Path, cgroup: Path) -> None:
    cgroup.mkdir(exist_ok=True)
    # v1: a new cpuset is empty, and takes no process until it is filled.
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (parent / name).exists() and not (parent / "cgroup.controllers").exists():
            (cgroup / name).write_text((parent / name).read_text(encoding="ascii"))
    if (cgroup / "cgroup.controllers").exists():
        # v2: controllers reach only children that they are passed on to.
        for name in (parent / "cgroup.controllers").read_text(encoding="ascii").split():
            with suppress(OSError):
                (parent / "cgroup.subtree_control").write_text(f"+{name}")


def _cap(cgroups: list[Path], cpus: float) -> None:
    """Let a host's cgroups have that share of processors, whatever goes on in them."""
    quota = round(cpus * CPU_PERIOD)
    for cgroup in cgroups:
        if (cgroup / "cpu.max").exists():  # v2
            (cgroup / "cpu.max").write_text(f"{quota} {CPU_PERIOD}")
            return
        if (cgroup / "cpu.cfs_quota_us").exists():
            (cgroup / "cpu.cfs_period_us").write_text(str(CPU_PERIOD))
            (cgroup / "cpu.cfs_quota_us").write_text(str(quota))
            return
    message = f"this machine's cgroups cannot limit processors: {cgroups[0]}"
    raise ProgramError(message)


def _remove(cgroup: Path) -> None:
    """Remove a cgroup and those below it; the last processes may take a moment to go."""
    until = time.monotonic() + PATIENCE
    while cgroup.exists():
        for folder, _, _ in os.walk(cgroup, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
        if time.monotonic() > until:
            return
        if cgroup.exists():
            time.sleep(0.05)


def _clear_stale() -> None:
    for tree in _trees():
        for cgroup in tree.glob(f"{PREFIX}*"):
            match = re.fullmatch(f"{PREFIX}([0-9]+)", cgroup.name)
            if match and not Path(f"/proc/{match[1]}").exists():
                _remove(cgroup)
