"""A room: namespaces in which everything of a rehearsal runs, and with which it all ends."""

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from khgen.rehearse.programs import ProgramError, run, try_run

KEEPER = """
set -e
mount -t tmpfs -o mode=755 rehearsal /run
mkdir /run/netns
ip link set lo up
echo open
exec cat >/dev/null
"""
"""Becomes PID 1 of the room, and ends when its standard input does: with the process that
opened it, however that ended. Then the kernel ends all that runs in the room, and unmounts.
/run is the room's own, so that named network namespaces and nspawn's locks go with it."""


class Room:
    """Own mounts, processes and network, kept by one process until it is closed."""

    def __init__(self) -> None:
        """Open the room."""
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
        """The open room."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        del kind, error, trace
        self.close()

    def close(self) -> None:
        """End everything in it."""
        assert self._keeper.stdin is not None  # noqa: S101
        with suppress(BrokenPipeError):
            self._keeper.stdin.close()
        self._keeper.wait()
        for process in self._started:
            process.wait()
        if self._keeper.stdout is not None:
            self._keeper.stdout.close()

    def inside(self, command: Sequence[str | Path]) -> list[str]:
        """The command that runs a command in the room."""
        room = ["nsenter", f"--target={self._first}", "--mount", "--net", "--pid"]
        return [*room, "--", *map(str, command)]

    def start(
        self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program in the room that may run until the room is closed."""
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
        """Run a program in the room; returns its output."""
        return run(self.inside(command))

    def tries(self, *command: str | Path) -> str | None:
        """The output of a program in the room that may fail; None if it did."""
        done = try_run(self.inside(command))
        return None if done.returncode else done.stdout


def children(pid: int) -> tuple[int, ...]:
    """The processes that a process started (proc_pid_task(5): of its main thread)."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return ()
    return tuple(map(int, text.split()))
