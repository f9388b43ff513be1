"""System calls: signals that end khgen, and file operations that some file systems lack."""

import ctypes
import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NO_LINK = frozenset(
    {errno.EMLINK, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV}
)
"""Errors of link(2): too many links to a file (ext4: 65,000), or no hard links at all."""
NO_MODES = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""Errors of a file system on which a mode cannot be changed."""
EXCHANGE = 2
NO_REPLACE = 1
_AT_FDCWD = -100
_UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})


@contextmanager
def held_signals() -> Iterator[None]:
    """Block the signals that end a program, so that the block can always remove what it makes.

    A signal that arrives meanwhile acts at `take_signals`, or after the block. Processes that are
    forked in the block inherit this: the parent handles such a signal for them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def take_signals() -> None:
    """Let a blocked signal act here: its handler raises, or the process ends."""
    if not signal.sigpending().isdisjoint(ENDING):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def about(path: Path, error: OSError) -> OSError:
    """The same error with the name of that file."""
    return OSError(error.errno, error.strerror or str(error), str(path))


def is_own(status: os.stat_result) -> bool:
    """Whether the user who runs khgen owns it; even root does not own others' files."""
    return status.st_uid == os.geteuid()


def rename_with(flag: int, one: Path, other: Path) -> bool:
    """Exchange two files, or rename one without replacing, in one step: renameat2(2).

    False if the system or the file system cannot. Raises OSError about `other`.
    """
    if not sys.platform.startswith("linux"):
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, bytes(one), _AT_FDCWD, bytes(other), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(other))


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of it; one write(2) may write less."""
    written = os.write(descriptor, content)
    while written < len(content):
        written += os.write(descriptor, content[written:])


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, if its file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise about(folder, error) from None
    finally:
        os.close(descriptor)
