"""One killed command, and what must hold after it."""

import fcntl
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from kills.cluster import Folder

KHGEN = (sys.executable, "-m", "khgen")
STRACE = ("strace", "-f", "-qqq")
LONGEST_END = 10.0
"""Seconds in which all processes of a killed command must be gone, however busy the machine."""
LONGEST_RUN = 300.0
SYSTEM_CALLS = ("mkdir", "openat", "write", "link", "rename", "unlink", "rmdir", "fsync", "flock")
"""At which commands are killed; each stands for all of its kind, like mkdirat."""
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

CASES: dict[str, tuple[str, ...]] = {
    "first render": ("render", "cluster.yaml"),
    "re-render": ("render", "cluster.yaml"),
    "one node": ("render", "cluster.yaml", "--node", "n0004"),
    "seed": ("seed", "out", "-o", "seeds", "--format", "dir"),
    "export libvirt": ("export", "libvirt", "out", "-o", "libvirt"),
    "export terraform": ("export", "terraform", "out", "-o", "terraform"),
    "certs renew": ("certs", "renew", "cluster.yaml"),
    "node replace": ("node", "replace", "cluster.yaml", "n0004"),
}
"""The commands that are killed."""
RENDERS = frozenset({"first render", "re-render", "one node"})

Listings = Mapping[str, bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """How a killed command ended, and whether all held afterwards."""

    case: str
    way: str
    """`time`, or the system call."""
    ended: str
    gone_after: float
    """Seconds until its last process was gone."""
    wrong: str = ""


@dataclass(slots=True, kw_only=True)
class Play:
    """A cluster's folder on which commands are killed, one after the other."""

    folder: Folder
    chance: random.Random
    every: int = 1
    """At every so many kills, also what takes long is checked: diff, and the modes of all files."""
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each command takes that nobody kills."""
    calls: dict[tuple[str, str], int] = field(default_factory=dict)
    kills: int = 0
    pools: int = 0

    def prepare(self) -> None:
        """Run each command to its end once, and remember how long it takes."""
        self.folder.write_spec("pool-0.example.com")
        for case in CASES:
            self.finish(case)

    def kill(self, case: str, call: str | None) -> Killed:
        """Kill that command, at a random time or as it makes that system call; then check."""
        self.kills += 1
        call = call and self._made(case, call)
        injection = self._injection(case, call)
        self._set_up(case)
        before = self.folder.listings()
        identity = self.folder.identity()
        command = (*injection, *KHGEN, *CASES[case])
        code, number, session = self._killed(case, command, call)
        gone_after, wrong = 0.0, ""
        try:
            gone_after = wait_until_gone(session)
            self._check_left(number, identity)
            self._check_next(case, before, self.folder.identity())
        except AssertionError as error:
            wrong = f"{number.name}: {error}"[:500]
        way = call or "time"
        return Killed(case=case, way=way, ended=_ended(code), gone_after=gone_after, wrong=wrong)

    def _set_up(self, case: str) -> None:
        if case == "first render":
            shutil.rmtree(self.folder.out, ignore_errors=True)
            self.folder.secrets_path.unlink(missing_ok=True)
        elif case in {"re-render", "one node"}:
            self.pools += 1
            self.folder.write_spec(f"pool-{self.pools}.example.com")

    def _injection(self, case: str, call: str | None) -> tuple[str, ...]:
        if call is None:
            return ()
        number = self.chance.randint(1, self._calls_of(case, call))
        # Not with --seccomp-bpf: strace 6.1 then sends no signal.
        return (*STRACE, "-o/dev/null", f"--inject=/^{call}:signal=SIGKILL:when={number}")

    def _made(self, case: str, call: str) -> str:
        """That system call, or the next one that the command makes at all."""
        place = SYSTEM_CALLS.index(call)
        in_turn = (*SYSTEM_CALLS[place:], *SYSTEM_CALLS[:place])
        return next(call for call in in_turn if self._calls_of(case, call))

    def _calls_of(self, case: str, call: str) -> int:
        """How often the command makes that call, counted once: strace counts by process and name."""
        if (case, call) not in self.calls:
            self._set_up(case)
            with TemporaryDirectory() as folder:
                log = Path(folder) / "log"
                counted = ("--seccomp-bpf", f"--trace=/^{call}", f"-o{log}")
                run = self._run((*STRACE, *counted, *KHGEN, *CASES[case]))
                assert run.returncode == 0, run.stderr
                made = re.findall(r"^(\d+ +\w+)\(", log.read_text(errors="replace"), re.MULTILINE)
            self.calls[case, call] = max(Counter(made).values(), default=0)
        return self.calls[case, call]

    def _killed(
        self, case: str, command: Sequence[str], call: str | None
    ) -> tuple[int, signal.Signals, int]:
        """The exit code, the signal that was sent, and the session of all its processes."""
        number = signal.SIGKILL if call else self.chance.choice(SIGNALS)
        with subprocess.Popen(
            command,
            cwd=self.folder.path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            if call is None:
                time.sleep(self.chance.uniform(0, 1.05 * self.seconds[case]))
                process.send_signal(number)
            process.wait(LONGEST_RUN)
        return process.returncode, number, process.pid

    def _check_left(self, number: signal.Signals, identity: bytes | None) -> None:
        """What holds at once, without a further command."""
        descriptor = os.open(self.folder.path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AssertionError("the lock is held") from None  # noqa: EM101
        finally:
            os.close(descriptor)
        if number is not signal.SIGKILL:
            assert self.folder.leftovers() == [], "a signal that can be answered leaves something"
        self.folder.check_whole()
        if identity is not None:
            assert self.folder.identity() == identity, "the identity changed"
        if self.kills % self.every == 0:
            self.folder.check_modes()

    def _check_next(self, case: str, before: Listings, made: bytes | None) -> None:
        """The command works again, clears what is left, and what was there is its result or old."""
        left = self.folder.listings()
        differs = self._differs(case, left)
        self.finish(case)
        after = self.folder.listings()
        for name, content in left.items():
            assert content in {before.get(name), after.get(name)}, f"{name}: neither old nor new"
        if differs is not None:
            assert differs == (left["out"] != after["out"]), "diff does not agree"
        if case not in RENDERS:
            self.finish("re-render")
        if made is not None:
            assert self.folder.identity() == made, "the next command made another identity"
        assert self.folder.leftovers() == [], "the next command leaves what a killed one left"
        self.folder.check_whole()

    def _differs(self, case: str, left: Listings) -> bool | None:
        """What diff reports of a render's output; None where it is not asked."""
        # One node's render leaves the others behind the spec, which diff reports too.
        if (
            case not in {"first render", "re-render"}
            or left["out"] is None
            or self.kills % self.every
        ):
            return None
        diff = self._run((*KHGEN, "diff", "cluster.yaml"))
        assert diff.returncode in {0, 2}, f"diff: {diff.returncode} {diff.stderr}"
        return diff.returncode == 2

    def finish(self, case: str) -> None:
        """Run that command to its end."""
        began = time.monotonic()
        done = self._run((*KHGEN, *CASES[case]))
        assert done.returncode == 0, f"{case}: exit {done.returncode} {done.stderr}"
        self.seconds[case] = time.monotonic() - began

    def _run(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            cwd=self.folder.path,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_RUN,
        )


def _ended(code: int) -> str:
    """How a process ended, in a word: nobody knows whether a signal or its own end came first."""
    if code < 0:
        return "killed" if code == -signal.SIGKILL else "before khgen began"
    return {0: "done", 129: "in order", 130: "in order", 143: "in order"}.get(code, f"exit {code}")


def wait_until_gone(session: int) -> float:
    """Seconds until no process of the session is left; fails where one stays."""
    began = time.monotonic()
    while left := _alive(session):
        waited = time.monotonic() - began
        assert waited < LONGEST_END, f"still alive after {waited:.0f} s: {left}"
        time.sleep(0.005)
    return time.monotonic() - began


def _alive(session: int) -> list[int]:
    alive = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # proc_pid_stat(5): after the name in brackets come state, parent, group, session.
            state, _, _, of = (folder / "stat").read_text().rpartition(") ")[2].split()[:4]
            if of == str(session) and state != "Z":
                alive.append(int(folder.name))
    return alive
