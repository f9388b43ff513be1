"""A lock on a folder: for files that are replaced, and so cannot carry a lock themselves."""

import errno
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
NO_LOCKS = (
    "its file system has no locks (flock), without which two khgen at once could destroy each"
    " other's work: use a folder on another one"
)
REPORTED_AFTER = 1.0
"""Seconds after which a wait for another khgen is reported."""
PATIENCE = 600.0
"""Seconds after which a wait is given up: longer than a render of 10,000 nodes on a slow disk."""
LONGEST_PAUSE = 0.1
LONGEST_COMMAND = 120
SOMEBODY = "another khgen"

_held: set[int] = set()
"""The descriptors of the locks that this process holds or waits for."""


class FolderBusyError(OSError):
    """Another process works in the folder, and did not end in time."""


@contextmanager
def locked_folder(folder: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the folder's lock. It ends with this process, whatever processes it has forked.

    A wait of more than a second is reported on standard error, with the process that holds the
    lock; raises FolderBusyError after `patience` seconds.
    """
    with kept_descriptor(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)) as lock:
        _wait_for(lock, folder, patience)
        yield


@contextmanager
def kept_descriptor(descriptor: int) -> Iterator[int]:
    """A descriptor that no forked process keeps, closed at the end: its lock is this process's."""
    _held.add(descriptor)
    try:
        yield descriptor
    finally:
        _held.discard(descriptor)
        os.close(descriptor)


def take_lock(descriptor: int, path: Path) -> bool:
    """Lock an open file or folder, which is at that path; False where another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        reason = NO_LOCKS if error.errno in _NO_LOCKS else error.strerror
        raise OSError(error.errno, reason, str(path)) from None
    return True


def _let_go() -> None:
    # flock(2): a lock is held until the last copy of its descriptor is closed, and fork copies it.
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


def _wait_for(lock: int, folder: Path, patience: float) -> None:
    began = time.monotonic()
    pause = 0.001
    reported = False
    while not take_lock(lock, folder):
        waited = time.monotonic() - began
        if waited >= patience:
            reason = f"{_holder(lock)} still works there after {_words(patience)}: wait, or end it"
            raise FolderBusyError(errno.EBUSY, reason, str(folder))
        if waited >= REPORTED_AFTER and not reported:
            message = f"khgen: waiting for {_holder(lock)}, which works in {folder}"
            print(message, file=sys.stderr, flush=True)
            reported = True
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _words(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:g} seconds"


def _holder(lock: int) -> str:
    """Who holds this lock, as far as the system shows it (Linux, proc_locks(5))."""
    status = os.fstat(lock)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return SOMEBODY
    for line in lines:
        _, kind, *_, process, file, _, _ = line.split()
        # A waiting process has a line of its own, with an arrow in the place of the kind.
        if kind == "FLOCK" and file == f"{device}:{status.st_ino}" and int(process) > 0:
            return f"{_command(process)} (process {process})"
    return SOMEBODY


def _command(process: str) -> str:
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return SOMEBODY
    if len(words) > 1 and Path(words[1]).name == "khgen":
        words = ["khgen", *words[2:]]  # its first word is the Python that runs it
    command = "".join(c if c.isprintable() else "?" for c in " ".join(words).strip())
    return command[:LONGEST_COMMAND] or SOMEBODY
