"""A lock on a folder: for files that are replaced, and so cannot carry a lock themselves."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
NO_LOCKS = (
    "its file system has no locks (flock), without which two khgen at once could destroy each"
    " other's work: use a folder on another one"
)


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. It ends with the process, so a killed one leaves none behind."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        reason = NO_LOCKS if error.errno in _NO_LOCKS else error.strerror
        raise OSError(error.errno, reason, str(folder)) from None
