"""Temporary files and folders, beside what they become: locked while in use, cleared once stale.

They hold keys. A process that is killed cannot remove its own; the lock ends with the process,
and the next khgen that works in the same folder removes what nobody holds any more.
"""

import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from khgen.disk.folder_lock import kept_descriptor, take_lock
from khgen.disk.system_calls import about, held_signals, is_own, write_all

NAME = re.compile(r"\..+\.khgen-[0-9a-f]{16}", re.DOTALL)
"""What all of them are called, and nothing that a person would name."""
NO_PRIVACY = (
    "its file system keeps no modes, so others could read the keys: name a file elsewhere with"
    " --secrets, or mount it with umask=077"
)
REMOVALS = 40
PAUSE = 0.05
LONGEST_STEM = 200
"""Bytes of a target's name that go into a temporary name: file systems take 255 in all."""


@contextmanager
def temporary_file(target: Path, content: bytes, *, private: bool = False) -> Iterator[Path]:
    """A whole, synced file of mode 0600 beside `target`, which is gone afterwards.

    With `private`, a file system that keeps no modes is refused. Errors are those of `target`.
    """
    with held_signals(), ExitStack() as cleared:
        path, descriptor = _claimed(target, _new_file)
        cleared.enter_context(kept_descriptor(descriptor))
        cleared.callback(path.unlink, missing_ok=True)
        try:
            if private and stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
                raise PermissionError(errno.EPERM, NO_PRIVACY)
            write_all(descriptor, content)
            os.fsync(descriptor)
        except OSError as error:
            raise about(target, error) from None
        yield path


@contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """An empty folder of mode 0700 beside `target`; what has its name at the end is removed."""
    with held_signals(), ExitStack() as cleared:
        path, descriptor = _claimed(target, _new_folder)
        cleared.enter_context(kept_descriptor(descriptor))
        cleared.callback(shutil.rmtree, path, ignore_errors=True)
        yield path


def clear_stale(folder: Path) -> None:
    """Remove the temporary files and folders that killed processes of this user left in it.

    Links, what another user owns and what is in use stay; a folder that cannot be read or written
    is left as it is.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for path in [Path(entry.path) for entry in entries if NAME.fullmatch(entry.name)]:
            with suppress(OSError):
                _clear(path)


def _clear(path: Path) -> None:
    status = path.lstat()
    is_folder = stat.S_ISDIR(status.st_mode)
    if not is_own(status) or not (is_folder or stat.S_ISREG(status.st_mode)):
        return
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with held_signals(), kept_descriptor(os.open(path, flags)) as descriptor:
        if not take_lock(descriptor, path):
            return
        if is_folder:
            _remove_folder(path)
        else:
            path.unlink()


def _remove_folder(path: Path) -> None:
    """Remove a folder into which processes of a killed khgen may write for a moment still."""
    for _ in range(REMOVALS):
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
            time.sleep(PAUSE)
        else:
            return


def _claimed(target: Path, make: Callable[[Path], int]) -> tuple[Path, int]:
    """The path and the locked descriptor of something new beside `target`."""
    stem = os.fsdecode(os.fsencode(target.name)[:LONGEST_STEM])
    while True:
        path = target.with_name(f".{stem}.khgen-{secrets.token_hex(8)}")
        try:
            descriptor = make(path)
        except OSError as error:
            raise about(target, error) from None
        # Between the two steps a khgen that clears up may have taken it for stale.
        if take_lock(descriptor, target) and _is_at(path, descriptor):
            return path, descriptor
        os.close(descriptor)


def _new_file(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _new_folder(path: Path) -> int:
    path.mkdir(0o700)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False
