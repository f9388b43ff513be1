"""What isolates a rehearsal: its namespaces, its network and a cgroup for each host.

Everything of a rehearsal runs in its namespaces and ends with them. The network is one bridge, with
one cable to each host and nothing beyond. Each host has a cgroup in every hierarchy that this
machine has; its share of processors can be limited.
"""

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from types import TracebackType
from typing import Self

from khgen.rehearse.processes import ProgramError, run, try_run

KEEPER = """
set -e
mount -t tmpfs -o mode=755 rehearsal /run
mkdir /run/netns
ip link set lo up
echo open
exec cat >/dev/null
"""
"""PID 1 of the namespaces. It ends when its standard input is closed, so at the latest when the
process that opened it ends. Then the kernel ends everything in the namespaces and unmounts.
They have their own /run, so that named network namespaces and nspawn's locks end too."""
BRIDGE = "br0"


class Namespaces:
    """Separate mounts, processes and network; one process keeps them until they are closed."""

    def __init__(self) -> None:
        """Make the namespaces."""
        self._started: list[subprocess.Popen[bytes]] = []
        namespaces = ["--mount", "--propagation", "private", "--net", "--pid", "--fork"]
        command = ["unshare", *namespaces, "--mount-proc", "sh", "-c", KEEPER]
        self._keeper = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self._keeper.stdout is not None  # noqa: S101
        said = self._keeper.stdout.readline()
        if said != "open\n":
            said += self._keeper.communicate()[0]
            message = f"cannot make namespaces (this needs root): {said.strip()}"
            raise ProgramError(message)
        (self._first,) = children(self._keeper.pid)

    def __enter__(self) -> Self:
        """The namespaces, until they are closed."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the namespaces."""
        del kind, error, trace
        self.close()

    def close(self) -> None:
        """End everything in them."""
        assert self._keeper.stdin is not None  # noqa: S101
        with suppress(BrokenPipeError):
            self._keeper.stdin.close()
        self._keeper.wait()
        for process in self._started:
            process.wait()
        if self._keeper.stdout is not None:
            self._keeper.stdout.close()

    def inside(self, command: Sequence[str | Path]) -> list[str]:
        """The command that runs a command in them."""
        enter = ["nsenter", f"--target={self._first}", "--mount", "--net", "--pid"]
        return [*enter, "--", *map(str, command)]

    def start(
        self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program in them that may run until they are closed."""
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603
                self.inside(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def run(self, *command: str | Path) -> str:
        """Run a program in them; returns its output."""
        return run(self.inside(command))

    def tries(self, *command: str | Path) -> str | None:
        """The output of a program in them that may fail; None if it did."""
        done = try_run(self.inside(command))
        return None if done.returncode else done.stdout


def children(pid: int) -> tuple[int, ...]:
    """The processes that a process started (proc_pid_task(5): of its main thread)."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return ()
    return tuple(map(int, text.split()))


class Network:
    """A bridge with a port for each host; each host has its own network namespace and eth0."""

    def __init__(
        self, namespaces: Namespaces, gateways: tuple[tuple[IPv4Address | IPv6Address, int], ...]
    ) -> None:
        """A bridge that has these addresses, each with its prefix length."""
        self._namespaces = namespaces
        # Without snooping, VRRP's multicast reaches every port.
        kind = ("type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        namespaces.run("ip", "link", "add", BRIDGE, *kind)
        for address, length in gateways:
            nodad = ("nodad",) if address.version == 6 else ()
            namespaces.run("ip", "address", "add", f"{address}/{length}", "dev", BRIDGE, *nodad)
        namespaces.run("ip", "link", "set", BRIDGE, "up")

    def connect(self, host: str) -> Path:
        """A new network namespace whose eth0 is a port of the bridge; returns its path."""
        digest = sha256(host.encode()).hexdigest()
        mac = "02:" + ":".join(digest[i : i + 2] for i in range(0, 10, 2))
        run, port = self._namespaces.run, _port(host)
        self.disconnect(host)
        run("ip", "netns", "add", host)
        peer = ("peer", "name", "eth0", "netns", host, "address", mac)
        run("ip", "link", "add", port, "type", "veth", *peer)
        run("ip", "link", "set", port, "master", BRIDGE, "up")
        run("ip", "-n", host, "link", "set", "lo", "up")
        return Path("/run/netns") / host

    def disconnect(self, host: str) -> None:
        """Remove the host's network with its addresses."""
        with suppress(ProgramError):
            self._namespaces.run("ip", "link", "delete", _port(host))
        with suppress(ProgramError):
            self._namespaces.run("ip", "netns", "delete", host)

    def unplug(self, host: str) -> None:
        """Pull the host's cable."""
        self._namespaces.run("ip", "link", "set", _port(host), "down")

    def plug(self, host: str) -> None:
        """Put the host's cable back."""
        self._namespaces.run("ip", "link", "set", _port(host), "up")


def _port(host: str) -> str:
    # Names of interfaces have at most 15 characters.
    return "p" + sha256(host.encode()).hexdigest()[:12]


CGROUP_ROOT = Path("/sys/fs/cgroup")
CGROUP_PREFIX = "khgen-rehearsal-"
CGROUP_PATIENCE = 5.0
CPU_PERIOD = 100_000
"""The period of the limit in microseconds; the kernel's default (sched-bwc.rst)."""


class CgroupLayout(StrEnum):
    """How this machine's controllers are arranged (cgroups(7))."""

    V1 = "v1"
    V2 = "v2"


def cgroup_layout() -> CgroupLayout:
    """Where the controllers are: in one tree (v2), or each in its own (v1, hybrid)."""
    return CgroupLayout.V2 if (CGROUP_ROOT / "cgroup.controllers").exists() else CgroupLayout.V1


class Cgroups:
    """The cgroups of one rehearsal: a parent in each hierarchy, and a child for each host."""

    def __init__(self, cpus: float | None = None) -> None:
        """Make the parents, and remove cgroups of killed rehearsals.

        `cpus` is the share of processors that each host has at most, 1 being all of one.
        """
        self.layout = cgroup_layout()
        self._cpus = cpus
        self._name = f"{CGROUP_PREFIX}{os.getpid()}"
        _clear_stale()
        for tree in _trees():
            _make(tree, tree / self._name)

    def of(self, host: str) -> tuple[Path, ...]:
        """The host's cgroups; made if they do not exist."""
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
    if cgroup_layout() is CgroupLayout.V2:
        yield CGROUP_ROOT
        return
    for tree in sorted(CGROUP_ROOT.iterdir()):
        if (tree / "cgroup.procs").exists() and not tree.is_symlink():
            yield tree


def _make(parent: Path, cgroup: Path) -> None:
    cgroup.mkdir(exist_ok=True)
    # v1: a new cpuset is empty, and accepts no process until it has values.
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (parent / name).exists() and not (parent / "cgroup.controllers").exists():
            (cgroup / name).write_text((parent / name).read_text(encoding="ascii"))
    if (cgroup / "cgroup.controllers").exists():
        # v2: a child has a controller only if its parent enables it.
        for name in (parent / "cgroup.controllers").read_text(encoding="ascii").split():
            with suppress(OSError):
                (parent / "cgroup.subtree_control").write_text(f"+{name}")


def _cap(cgroups: list[Path], cpus: float) -> None:
    """Limit a host's cgroups to that share of processors."""
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
    """Remove a cgroup and those below it; waits a moment for the last processes to end."""
    until = time.monotonic() + CGROUP_PATIENCE
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
        for cgroup in tree.glob(f"{CGROUP_PREFIX}*"):
            match = re.fullmatch(f"{CGROUP_PREFIX}([0-9]+)", cgroup.name)
            if match and not Path(f"/proc/{match[1]}").exists():
                _remove(cgroup)
