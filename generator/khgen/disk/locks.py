"""Locks on folders, and temporary files and folders that are locked while in use.

A file that is replaced cannot be locked itself, so its folder is. Temporary files and folders are
made beside what they become, and hold keys. A killed process cannot remove its own, but its locks
end with it. The next khgen in that folder removes what nobody holds any more.
"""

import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from khgen.disk.system_calls import about, held_signals, is_own, write_all

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
NO_LOCKS = (
    "its file system has no locks (flock), without which two khgen at once could destroy each"
    " other's work: use a folder on another one"
)
REPORTED_AFTER = 1.0
"""Seconds after which a wait for another khgen is reported."""
PATIENCE = 600.0
"""Seconds after which khgen gives up: longer than a render of 10,000 nodes on a slow disk."""
LONGEST_PAUSE = 0.1
LONGEST_COMMAND = 120
SOMEBODY = "another khgen"
TEMPORARY_NAME = re.compile(r"\..+\.khgen-[0-9a-f]{16}", re.DOTALL)
"""The names of temporary files and folders; no person would choose such a name."""
NO_PRIVACY = (
    "its file system keeps no modes, so others could read the keys: name a file elsewhere with"
    " --secrets, or mount it with umask=077"
)
REMOVALS = 40
REMOVAL_PAUSE = 0.05
LONGEST_STEM = 200
"""Bytes of a target's name in a temporary name: file systems allow 255 in all."""


_held: set[int] = set()
"""The descriptors of the locks that this process holds or waits for."""


class FolderBusyError(OSError):
    """Another process still works in the folder after the longest wait."""


@contextmanager
def locked_folder(folder: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the folder's lock. It ends with this process, even if forked processes still run.

    After a second of waiting, it reports the process that holds the lock on standard error. Raises
    FolderBusyError after `patience` seconds.
    """
    with kept_descriptor(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)) as lock:
        _wait_for(lock, folder, patience)
        yield


@contextmanager
def kept_descriptor(descriptor: int) -> Iterator[int]:
    """A descriptor that no forked process keeps, so this process alone has its lock."""
    _held.add(descriptor)
    try:
        yield descriptor
    finally:
        _held.discard(descriptor)
        os.close(descriptor)


def take_lock(descriptor: int, path: Path) -> bool:
    """Lock the open file or folder at that path; False if another process has locked it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        reason = NO_LOCKS if error.errno in _NO_LOCKS else error.strerror
        raise OSError(error.errno, reason, str(path)) from None
    return True


def _let_go() -> None:
    # flock(2): a lock lasts until the last copy of its descriptor is closed, and fork copies it.
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
        # A waiting process has its own line, with an arrow instead of the kind.
        if kind == "FLOCK" and file == f"{device}:{status.st_ino}" and int(process) > 0:
            return f"{_command(process)} (process {process})"
    return SOMEBODY


def _command(process: str) -> str:
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return SOMEBODY
    if len(words) > 1 and Path(words[1]).name == "khgen":
        words = ["khgen", *words[2:]]  # the first word is the Python that runs it
    command = "".join(c if c.isprintable() else "?" for c in " ".join(words).strip())
    return command[:LONGEST_COMMAND] or SOMEBODY


@contextmanager
def temporary_file(target: Path, content: bytes, *, private: bool = False) -> Iterator[Path]:
    """A complete, synced file of mode 0600 beside `target`, removed at the end.

    With `private`, it refuses a file system without modes. Errors name `target`.
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
    """An empty folder of mode 0700 beside `target`; whatever has its name at the end is removed."""
    with held_signals(), ExitStack() as cleared:
        path, descriptor = _claimed(target, _new_folder)
        cleared.enter_context(kept_descriptor(descriptor))
        cleared.callback(shutil.rmtree, path, ignore_errors=True)
        yield path


def clear_stale(folder: Path) -> None:
    """Remove the temporary files and folders that killed processes of this user left in it.

    It keeps links, files of other users and files in use. It ignores a folder that it cannot read
    or write.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for path in [Path(entry.path) for entry in entries if TEMPORARY_NAME.fullmatch(entry.name)]:
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
    """Remove a folder; processes of a killed khgen may still write into it for a moment."""
    for _ in range(REMOVALS):
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
            time.sleep(REMOVAL_PAUSE)
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
        # Between the two steps another khgen may have removed it as stale.
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
