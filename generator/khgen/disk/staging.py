"""The output folder: staged beside it, swapped in whole, and never half-written.

Files hold private keys. Each is created with its final privacy, under a umask that closes
even the parents that mkdir makes on the way; the folders are the operator's alone.
"""

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from khgen.disk.folder_lock import locked_folder
from khgen.disk.owned_folder import ListedFiles, OutputRefusedError, refuse_foreign
from khgen.disk.system_calls import (
    EXCHANGE,
    NO_LINK,
    NO_MODES,
    about,
    is_own,
    rename_with,
    take_signals,
    write_all,
)
from khgen.disk.temporary import clear_stale, temporary_folder

_ASIDE = "-old"
MOUNTS = Path("/proc/self/mountinfo")
_MOUNTED = "is a mount point, so it cannot be replaced: name a folder in it, like -o {inside}"
_STUCK = {
    errno.EBUSY: _MOUNTED,
    errno.EXDEV: "cannot be renamed, for it comes from the image below this container's own files:"
    " remove it, or name another with -o",
}
"""Why a folder cannot give its place, by what rename(2) says."""
_NO_PRIVACY = (
    "is on a file system that keeps no modes, so others could read the private keys: name a folder"
    " elsewhere with -o, or mount it with umask=077"
)


@dataclass(slots=True, kw_only=True)
class Staging:
    """A folder that becomes the output when all of it is written."""

    path: Path
    present: Path
    """The output that it replaces, if there is one."""
    replaces: bool = True
    """False where the present output is all that it would be: then that one stays."""

    def write(self, relative: str, content: bytes, mode: int = 0o600) -> None:
        """Create one file; its folder exists already."""
        self.write_parts(relative, (content,), mode)

    def write_parts(self, relative: str, parts: Iterable[bytes], mode: int = 0o600) -> None:
        """Create one file of these parts, which need not all be in memory; its folder exists."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        descriptor = os.open(f"{self.path}/{relative}", flags, 0o600)
        try:
            for part in parts:
                write_all(descriptor, part)
            if mode != 0o600:
                _open_up(descriptor, mode)
        except OSError as error:
            raise about(self.path / relative, error) from None
        finally:
            os.close(descriptor)

    def link(self, present: str, relative: str) -> bool:
        """Make one file be another that is there already; False where that cannot be."""
        try:
            os.link(f"{self.path}/{present}", f"{self.path}/{relative}")
        except OSError as error:
            if error.errno in NO_LINK:
                return False
            raise
        return True

    def present_content(self, relative: str, mode: int = 0o600) -> bytes | None:
        """The bytes of this file in the present output, if it is open to no more than `mode`.

        The file itself is read: what somebody edited there is never kept.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(f"{self.present}/{relative}", flags)
        except OSError:
            return None  # What cannot be read is written anew.
        try:
            status = os.fstat(descriptor)
            held = stat.S_IMODE(status.st_mode)
            private = held == mode or held & 0o077 == 0
            if not (stat.S_ISREG(status.st_mode) and is_own(status) and private):
                return None
            return _read(descriptor, status.st_size)
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def present_names(self, folder: str) -> frozenset[str]:
        """What is in a folder of the present output; nothing where others may enter it."""
        try:
            status = os.lstat(f"{self.present}/{folder}")
            if not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o077:
                return frozenset()
            return frozenset(os.listdir(f"{self.present}/{folder}"))  # noqa: PTH208 - thousands
        except OSError:
            return frozenset()

    def keep(self, folder: str) -> None:
        """Put a folder of the present output in its place here, as links where there are such."""
        self.make_folders((folder,))
        _copy(self.present / folder, self, f"{folder}/")

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
        _refuse_mount_point(out)
        with temporary_folder(out) as path:
            _refuse_without_modes(path, out)
            try:
                staging = Staging(path=path, present=out)
                if keep and out.exists():
                    _copy(out, staging)
                yield staging
                if staging.replaces:
                    _swap(path, out)
            except OSError as error:
                raise _named_as_output(error, path, out) from None


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
    _move_aside(out, aside)
    try:
        staging.rename(out)
    except OSError:
        aside.rename(out)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False where the system or the file system cannot."""
    try:
        return rename_with(EXCHANGE, one, other)
    except OSError as error:
        raise _stuck(error, other) from None


def _move_aside(out: Path, aside: Path) -> None:
    try:
        out.rename(aside)
    except OSError as error:
        raise _stuck(error, out) from None


def _stuck(error: OSError, out: Path) -> OSError:
    reason = _STUCK.get(error.errno or 0)
    if reason is None:
        return about(out, error)
    return OutputRefusedError(error.errno, reason.format(inside=out / "rendered"), str(out))


def _refuse_mount_point(out: Path) -> None:
    """Refuse early what could not be swapped when all is written."""
    if _is_mount_point(out):
        raise OutputRefusedError(errno.EBUSY, _MOUNTED.format(inside=out / "rendered"), str(out))


def _is_mount_point(folder: Path) -> bool:
    if os.path.ismount(folder):
        return True
    # What is bound from the same file system shows in the kernel's list alone (proc(5)).
    name = os.path.realpath(folder)
    for character in "\\ \t\n":
        name = name.replace(character, f"\\{ord(character):03o}")
    with suppress(OSError):
        lines = MOUNTS.read_bytes().splitlines()
        return any(line.split(b" ")[4] == os.fsencode(name) for line in lines)
    return False


def _refuse_without_modes(staging: Path, out: Path) -> None:
    if stat.S_IMODE(staging.stat().st_mode) & 0o077:
        raise OutputRefusedError(errno.EPERM, _NO_PRIVACY, str(out))


def _copy(out: Path, staging: Staging, below: str = "") -> None:
    """Put everything of the output into the staging folder, as links where there are such."""
    with os.scandir(out) as entries:
        for entry in entries:
            name = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                staging.make_folders((name,))
                _copy(Path(entry.path), staging, f"{name}/")
            else:
                _copy_file(Path(entry.path), staging, name)


def _copy_file(file: Path, staging: Staging, relative: str) -> None:
    take_signals()
    try:
        os.link(file, staging.path / relative, follow_symlinks=False)
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        staging.write(relative, file.read_bytes(), stat.S_IMODE(file.stat().st_mode))


def _read(descriptor: int, size: int) -> bytes:
    """All of a file of about that size; one read(2) takes it mostly, and one more sees its end."""
    parts = []
    while part := os.read(descriptor, size + 1):
        parts.append(part)
    return b"".join(parts)


def _open_up(descriptor: int, mode: int) -> None:
    """Let others read a file without a key, where the file system has modes."""
    try:
        os.fchmod(descriptor, mode)
    except OSError as error:
        if error.errno not in NO_MODES:
            raise


def _named_as_output(error: OSError, staging: Path, out: Path) -> OSError:
    """The error about the file that was to be: nobody knows the staging folder's name."""
    name = str(error.filename or "")
    if not Path(name).is_relative_to(staging):
        return error
    return about(out / Path(name).relative_to(staging), error)
