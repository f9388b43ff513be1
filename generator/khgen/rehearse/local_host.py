"""A local host, and its status.

The host is a systemd-nspawn container on an overlay of the root directory, with power and a cable.
Its status is read from its /run/khgen/status.json.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from signal import SIGKILL

from khgen.rehearse.namespaces import CgroupLayout, Cgroups, Namespaces, Network, children
from khgen.rehearse.processes import ProgramError, run, try_run, wait_until

SEED = Path("var/lib/cloud/seed/nocloud")
OWN_DISKS = ("/var/lib/containerd", "/var/lib/kubelet")
"""Folders that cannot be on the overlay, because containerd makes overlays in them."""
START = 'for cgroup; do [ "$cgroup" != -- ] || break; echo 0 >"$cgroup/cgroup.procs"; shift; done; shift; exec "$@"'
PROGRAMS = "/opt/kubernetes"
START_SECONDS = 20.0
ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    *("HOME=/root", "TERM=dumb", "LANG=C.UTF-8"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Testbed:
    """What the hosts of a rehearsal share."""

    namespaces: Namespaces
    network: Network
    cgroups: Cgroups
    rootfs: Path
    folder: Path
    """Where their disks and console logs are."""
    layer: Path
    """Files that all hosts have, in a layer over the root directory."""
    programs: Path
    """The folder of Kubernetes programs; all hosts see it."""
    store: Path | None = None
    """containerd's folder with the images of Kubernetes, if there are any."""


@dataclass(slots=True, kw_only=True)
class LocalHost:
    """A machine: its disk, its seed, and whether it runs."""

    name: str
    testbed: Testbed
    own_disks: tuple[str, ...] = OWN_DISKS
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def folder(self) -> Path:
        """Its disk and its console log."""
        return self.testbed.folder / self.name

    @property
    def console(self) -> Path:
        """The log of its console, over all its boots."""
        return self.folder / "console.log"

    def install(self, seed: Mapping[str, bytes], files: Mapping[str, bytes | Path]) -> None:
        """A fresh disk with a NoCloud seed and further files by path: content, or what to copy.

        Whatever starts like a script or a program may be run.
        """
        for name in ("upper", "work", "root", "disks"):
            (self.folder / name).mkdir(parents=True)
        upper = self.folder / "upper"
        self.seed(seed)
        for path, wanted in files.items():
            put(upper / path.removeprefix("/"), wanted)
        for path in self.own_disks:
            self.disk(path).mkdir(mode=0o755, exist_ok=True)

    def seed(self, files: Mapping[str, bytes]) -> None:
        """Put a NoCloud seed on the disk, for the next boot."""
        for name, content in files.items():
            put(self.folder / "upper" / SEED / name, content)

    def disk(self, path: str) -> Path:
        """The place of one of the folders that have their own disk."""
        return self.folder / "disks" / path.strip("/").replace("/", "-")

    def power_on(self) -> None:
        """Boot it."""
        testbed, root = self.testbed, self.folder / "root"
        layers = f"lowerdir={testbed.layer}:{testbed.rootfs},upperdir={self.folder}/upper,workdir={self.folder}/work"
        testbed.namespaces.run("mount", "-t", "overlay", self.name, "-o", layers, root)
        network = testbed.network.connect(self.name)
        cgroups = [str(cgroup) for cgroup in testbed.cgroups.of(self.name)]
        command = ["sh", "-c", START, "sh", *cgroups, "--", *self._nspawn(network)]
        unified = testbed.cgroups.layout is CgroupLayout.V2
        environment = os.environ | {
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1" if unified else "0",
            # In /proc/sys, net.* is the host's own. The rest is this machine's, so it is read-only.
            "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
        }
        self._process = testbed.namespaces.start(command, self.console, environment)
        wait_until(lambda: self.first_process is not None or not self.runs, START_SECONDS, "nspawn")
        if not self.runs:
            said = self.console.read_text(encoding="utf-8", errors="replace")[-1000:]
            message = f"{self.name} did not start: {said.strip()}"
            raise ProgramError(message)

    def _nspawn(self, network: Path) -> list[str]:
        calls = "@default @keyring bpf perf_event_open"
        binds = [f"--bind={self.disk(path)}:{path}" for path in self.own_disks]
        return [
            *("systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit"),
            *(f"--machine={self.name}", f"--directory={self.folder / 'root'}"),
            f"--network-namespace-path={network}",
            *("--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=read-only"),
            *("--capability=all", f"--system-call-filter={calls}", "--bind=/dev/kmsg"),
            *binds,
            f"--bind-ro={self.testbed.programs}:{PROGRAMS}",
        ]

    @property
    def first_process(self) -> int | None:
        """The host's PID 1, by its number on this machine; None while it does not run."""
        pids: tuple[int, ...] = (self._process.pid,) if self._process is not None else ()
        for _ in range(2):  # nsenter, systemd-nspawn, systemd
            pids = children(pids[0]) if pids else ()
        return pids[0] if pids else None

    @property
    def runs(self) -> bool:
        """Whether it has power."""
        return self._process is not None and self._process.poll() is None

    def power_cut(self) -> None:
        """Cut its power: it sends nothing more, and only its disk is left."""
        if (pid := self.first_process) is not None:
            self.unplug()
            os.kill(pid, SIGKILL)
        self._end()

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.wait()
        self._process = None
        self.testbed.network.disconnect(self.name)
        self.testbed.cgroups.forget(self.name)
        self.testbed.namespaces.run("umount", self.folder / "root")

    def unplug(self) -> None:
        """Pull its cable."""
        self.testbed.network.unplug(self.name)

    def plug(self) -> None:
        """Put its cable back."""
        self.testbed.network.plug(self.name)

    def inside(self, command: Sequence[str]) -> list[str]:
        """The command that runs a command on the host."""
        pid = self.first_process
        if pid is None:
            message = f"{self.name} does not run"
            raise ProgramError(message)
        spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"]
        return ["nsenter", f"--target={pid}", *spaces, "env", "-i", *ENVIRONMENT, *command]

    def run(self, *command: str, text: str | None = None, seconds: float = 60) -> str:
        """Run a program on the host, which must succeed; returns its output."""
        return run(self.inside(command), text=text, seconds=seconds)

    def tries(self, *command: str, seconds: float = 60) -> tuple[int, str]:
        """Run a program on the host; returns its exit code and its output."""
        done = try_run(self.inside(command), seconds=seconds)
        return done.returncode, done.stdout + done.stderr

    def read(self, path: str) -> str | None:
        """A file of the running host; None if there is none."""
        pid = self.first_process
        if pid is None:
            return None
        try:
            return Path(f"/proc/{pid}/root{path}").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    def place(self, path: str, content: bytes) -> None:
        """Write a file of the running host."""
        pid = self.first_process
        if pid is None:
            message = f"{self.name} does not run"
            raise ProgramError(message)
        put(Path(f"/proc/{pid}/root{path}"), content)


def put(path: Path, wanted: bytes | Path) -> None:
    """Write a file of a host; a script or a program gets the mode of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(wanted, Path):
        if wanted.is_symlink() or not wanted.is_file():
            wanted = wanted.resolve(strict=True)
        shutil.copyfile(wanted, path)
        with path.open("rb") as copied:
            content = copied.read(4)
    else:
        path.write_bytes(wanted)
        content = wanted[:4]
    path.chmod(0o755 if content.startswith((b"#!", b"\x7fELF")) else 0o644)


STATUS = "/run/khgen/status.json"
STEPS = "/etc/khgen/steps.d"


class State(StrEnum):
    """The state of a host; the last three are khgen-boot's own words."""

    OFF = "off"
    BOOTING = "booting"
    RUNNING = "running"
    STALLED = "stalled"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """The state of a host, and its report."""

    host: str
    state: State
    seconds: float
    """Seconds from the start of the rehearsal until the host was first seen in this state."""
    step: str = ""
    about: str = ""
    said: str = ""
    hint: str = ""


def host_status(host: LocalHost, seconds: float) -> HostStatus:
    """The host's status now."""
    text = host.read(STATUS)
    if text is None:
        state = State.BOOTING if host.runs else State.OFF
        return HostStatus(host=host.name, state=state, seconds=seconds)
    try:
        status = json.loads(text)
    except ValueError:  # the host's disk is damaged; khgen is not
        status = {}
    known = {state.value for state in State}
    step = str(status.get("step", ""))
    script = host.read(f"{STEPS}/{step}") if step else None
    about = re.search("^#: (.*)", script or "", re.MULTILINE)
    return HostStatus(
        host=host.name,
        state=State(status["state"]) if status.get("state") in known else State.BOOTING,
        seconds=seconds,
        step=step,
        about=about[1] if about else "",
        said=str(status.get("output", "")),
        hint=str(status.get("hint", "")),
    )


@dataclass(slots=True, kw_only=True)
class Watch:
    """Follows hosts from now on."""

    hosts: Sequence[LocalHost]
    since: float = field(default_factory=time.monotonic)
    last: dict[str, HostStatus] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long it has been watching."""
        return time.monotonic() - self.since

    @property
    def all_done(self) -> bool:
        """Whether every host is done."""
        done = [s for s in self.last.values() if s.state is State.DONE]
        return len(done) == len(self.hosts)

    def look(self) -> Iterator[HostStatus]:
        """Each host that changed its state or its step since the last look."""
        for host in self.hosts:
            new = host_status(host, self.seconds)
            old = self.last.get(host.name)
            if old is not None and (old.state, old.step) == (new.state, new.step):
                if old.said == new.said:
                    continue
                self.last[host.name] = new
            else:
                self.last[host.name] = new
                yield new

    def until_done(self, timeout: float, every: float = 0.2) -> Iterator[HostStatus]:
        """Each change, until all hosts are done, one has no power, or the time is over."""
        while True:
            yield from self.look()
            off = any(s.state is State.OFF for s in self.last.values())
            if self.all_done or off or self.seconds > timeout:
                return
            time.sleep(every)
