"""The output folder: staged beside it, swapped in whole, and never half-written.

Files hold private keys. Each is created with its final privacy, under a umask that closes
even the parents that mkdir makes on the way; the folders are the operator's alone.
"""

import ctypes
import errno
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from khgen.disk.ending_signals import take_signals
from khgen.disk.folder_lock import locked_folder
from khgen.disk.owned_folder import (
    ListedFiles,
    close_folders,
    is_own,
    refuse_foreign,
)
from khgen.disk.temporary import clear_stale, temporary_folder

MANIFEST = "manifest.json"
SPEC = "spec.json"
ADMIN_CONF = "admin.conf"
_ASIDE = "-old"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NO_LINK = {errno.EMLINK, errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV}
"""Too many links to one file (ext4: 65,000), or a file system without links."""
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}


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
def staged(out: Path, listed_files: ListedFiles, *, keep: bool = False) -> Iterator[Staging]:
    """A staging folder that replaces `out` if the block succeeds, and is gone if it does not.

    With `keep`, it starts as a copy of the present output. A second khgen on the same output
    waits. `listed_files` reads which files of `out` are khgen's. Raises OSError, among them
    OutputRefusedError if `out` holds something else.
    """
    named, out = out, _settled(out)
    with closed_umask(), _locked_parent(out):
        _restore_aside(out)
        clear_stale(out.parent)
        refuse_foreign(named, listed_files)
        with temporary_folder(out) as path:
            if keep and out.exists():
                shutil.copytree(out, path, symlinks=True, copy_function=_link, dirs_exist_ok=True)
                close_folders(path)
            yield Staging(path=path)
            _swap(path, out)


def _settled(out: Path) -> Path:
    """The same folder by a path that ends in its own name, so that it has siblings."""
    return out.resolve() if out.name in {"", ".."} else out.absolute()


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
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, "is not a folder", str(out.parent)) from None
    with locked_folder(out.parent):
        yield


def _link(present: str, new: str) -> None:
    take_signals()
    os.link(present, new)


def _restore_aside(out: Path) -> None:
    """Put back an output that a killed khgen of this user had just moved aside.

    What bears such a name and is another user's, a link or a file, was planted: it stays.
    """
    name = re.compile(rf"\.{re.escape(out.name)}\.khgen-[0-9a-f]+{_ASIDE}")
    with os.scandir(out.parent) as entries:
        asides = [Path(e.path) for e in entries if name.fullmatch(e.name) and _is_own_folder(e)]
    for aside in asides:
        if os.path.lexists(out):
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.rename(out)


def _is_own_folder(entry: os.DirEntry[str]) -> bool:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode) and is_own(status)


def _swap(staging: Path, out: Path) -> None:
    """Put the staging folder in the output's place; what was there ends up as the staging."""
    if not out.exists():
        staging.rename(out)
        return
    if _exchange(staging, out):
        return
    # No atomic exchange here: between two renames there is a moment without output, and the
    # next run puts the old one back if the process dies right then.
    aside = staging.with_name(f"{staging.name}{_ASIDE}")
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
