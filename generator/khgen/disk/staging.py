"""The output folder: staged beside it, swapped in whole, and never half-written.

Files hold private keys. Each is created with its final privacy, under a umask that closes
even the parents that mkdir makes on the way; the folders are the operator's alone.
"""

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from khgen.disk.ending_signals import take_signals
from khgen.disk.folder_lock import locked_folder
from khgen.disk.temporary import clear_stale, temporary_folder

MANIFEST = "manifest.json"
SPEC = "spec.json"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NO_LINK = {errno.EMLINK, errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV}
"""Too many links to one file (ext4: 65,000), or a file system without links."""
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}


class OutputRefusedError(OSError):
    """The output folder is not one that khgen may replace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """A folder that becomes the output when all of it is written."""

    path: Path

    def write(self, relative: str, content: bytes, mode: int = 0o600) -> None:
        """Create one file; its folder exists already."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        descriptor = os.open(f"{self.path}/{relative}", flags, 0o600)
        try:
            written = os.write(descriptor, content)
            while written < len(content):
                written += os.write(descriptor, content[written:])
            if mode != 0o600:
                os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)

    def link(self, present: str, relative: str) -> bool:
        """Make one file be another that is there already; False where that cannot be."""
        try:
            os.link(f"{self.path}/{present}", f"{self.path}/{relative}")
        except OSError as error:
            if error.errno in _NO_LINK:
                return False
            raise
        return True

    def make_folders(self, relatives: Iterator[str] | tuple[str, ...]) -> None:
        """Create folders; each one's parent exists already or comes before it."""
        for relative in relatives:
            os.mkdir(f"{self.path}/{relative}", 0o700)  # noqa: PTH102 - thousands of them


@contextmanager
def staged(out: Path, *, keep: bool = False, marker: str = MANIFEST) -> Iterator[Staging]:
    """A staging folder that replaces `out` if the block succeeds, and is gone if it does not.

    With `keep`, it starts as a copy of the present output. A second khgen on the same output
    waits. `marker` is the file by which a folder of khgen's is known. Raises OSError, among them
    OutputRefusedError if `out` holds something else.
    """
    out = out.absolute()
    with closed_umask(), _locked_parent(out):
        _restore_aside(out)
        clear_stale(out.parent)
        _refuse_foreign(out, marker)
        with temporary_folder(out) as path:
            if keep and out.exists():
                shutil.copytree(out, path, symlinks=True, copy_function=_link, dirs_exist_ok=True)
            yield Staging(path=path)
            _swap(path, out)


@contextmanager
def closed_umask() -> Iterator[None]:
    """Let nothing that is made meanwhile be open to others."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _locked_parent(out: Path) -> Iterator[None]:
    """Hold the lock of the folder that the output is in, making the folder if need be."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with locked_folder(out.parent):
        yield


def _link(present: str, new: str) -> None:
    take_signals()
    os.link(present, new)


def _restore_aside(out: Path) -> None:
    """Put back an output that a killed render had just moved aside, or remove it if it is old."""
    aside = _aside(out)
    if aside.is_symlink() or not aside.is_dir():
        return
    if out.exists():
        shutil.rmtree(aside)
    else:
        aside.rename(out)


def _aside(out: Path) -> Path:
    return out.with_name(f".{out.name}.khgen-old")


def _refuse_foreign(out: Path, marker: str) -> None:
    if not out.exists() and not out.is_symlink():
        return
    if out.is_symlink() or not out.is_dir():
        raise OutputRefusedError(errno.ENOTDIR, "is not a folder: name another with -o", str(out))
    if any(out.iterdir()) and not (out / marker).is_file():
        reason = f"holds something that khgen did not write (no {marker}): name another with -o"
        raise OutputRefusedError(errno.ENOTEMPTY, reason, str(out))


def _swap(staging: Path, out: Path) -> None:
    """Put the staging folder in the output's place; what was there ends up as the staging."""
    if not out.exists():
        staging.rename(out)
        return
    if _exchange(staging, out):
        return
    # No atomic exchange here: between two renames there is a moment without output, and the
    # next run puts the old one back if the process dies right then.
    aside = _aside(out)
    out.rename(aside)
    staging.rename(out)
    shutil.rmtree(aside)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step, renameat2(2); False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, bytes(one), _AT_FDCWD, bytes(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(other))
