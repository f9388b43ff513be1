"""What of a folder is khgen's own: nothing else in it is ever replaced, kept or removed.

A folder is khgen's if it holds a listing of khgen's, if the listing accounts for every entry below
the folder, and if no other user owns any of it.
"""

import errno
import os
import pwd
import stat
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NoReturn

from khgen.disk.system_calls import is_own

ListedFiles = Callable[[Path], frozenset[str]]
"""The files that the listing in a folder accounts for, itself among them.

Raises FileNotFoundError where there is no listing, and OutputRefusedError where it is not khgen's.
"""

ELSEWHERE = "name another folder with -o"
_OPEN_TO_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class OutputRefusedError(OSError):
    """The output folder is not one that khgen may replace."""


def refuse_foreign(folder: Path, listed_files: ListedFiles) -> None:
    """Raise OutputRefusedError unless the folder is khgen's, empty, or not there at all."""
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode):
        raise OutputRefusedError(errno.ENOTDIR, f"is not a folder: {ELSEWHERE}", str(folder))
    _refuse_owner(folder, status)
    if not os.listdir(folder):  # noqa: PTH208 - names are all that is asked
        return
    try:
        listed = listed_files(folder)
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        reason = f"holds something that khgen did not write (no {missing}): {ELSEWHERE}"
        raise OutputRefusedError(errno.ENOTEMPTY, reason, str(folder)) from None
    foreign = _foreign_entries(folder, listed)
    _refuse_some(folder, foreign)


def refuse_listing(folder: Path, listing: str, fault: str) -> NoReturn:
    """Raise OutputRefusedError: the folder's listing is not as khgen wrote it."""
    reason = f"its {listing} is {fault}: remove the folder if khgen wrote it, or {ELSEWHERE}"
    raise OutputRefusedError(errno.EINVAL, reason, str(folder))


def refuse_others(path: Path) -> None:
    """Raise OutputRefusedError where another user owns what is at that path."""
    _refuse_owner(path, path.lstat())


def first_inside(folder: Path, paths: Iterable[Path]) -> Path | None:
    """The first of the paths that is the folder itself or is below it, through links too."""
    return next((path for path in paths if _is_inside(folder, path)), None)


def _is_inside(folder: Path, path: Path) -> bool:
    outer = folder.resolve()
    # A link below the folder counts like what it points to: both would be lost.
    for inner in (path.resolve(), path.parent.resolve() / path.name):
        if inner.is_relative_to(outer):
            return True
        if any(_is_same(outer, parent) for parent in (inner, *inner.parents)):
            return True
    return False


def _is_same(one: Path, other: Path) -> bool:
    """Whether both are one folder under two names, as in a bind mount."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def _refuse_some(folder: Path, foreign: Iterator[str]) -> None:
    entries = sorted(islice(foreign, _COUNTED))
    if not entries:
        return
    others = len(entries) - 1
    more = f" and {others:,} more" if others else ""
    if len(entries) == _COUNTED:
        more = f" and over {others - 1:,} more"
    reason = f"holds {entries[0]}{more} that khgen did not write: move that away, or {ELSEWHERE}"
    raise OutputRefusedError(errno.ENOTEMPTY, reason, str(folder))


_COUNTED = 10_000
"""A home folder given by mistake is not walked to its end."""


def _foreign_entries(folder: Path, listed: frozenset[str]) -> Iterator[str]:
    """Every entry that is not listed, or is no plain file or folder; raises on another user's."""
    folders = _parents(listed)
    remaining = [""]
    while remaining:
        below = remaining.pop()
        path = f"{folder}/{below}"  # Text: a Path for each of thousands takes as long as the rest.
        status = os.lstat(path)
        _refuse_owner(path, status)
        shared = status.st_mode & _OPEN_TO_OTHERS
        with os.scandir(path) as entries:
            for entry in entries:
                name = below + entry.name
                if name in folders and entry.is_dir(follow_symlinks=False):
                    remaining.append(f"{name}/")
                elif name not in listed or not entry.is_file(follow_symlinks=False):
                    yield name
                elif shared:
                    # Only where others may write can they have put a file of their own.
                    _refuse_owner(entry.path, entry.stat(follow_symlinks=False))


def _parents(files: Iterable[str]) -> set[str]:
    folders: set[str] = set()
    for file in files:
        parent = file.rpartition("/")[0]
        while parent and parent not in folders:
            folders.add(parent)
            parent = parent.rpartition("/")[0]
    return folders


def _refuse_owner(path: Path | str, status: os.stat_result) -> None:
    if is_own(status):
        return
    reason = f"belongs to {_user(status.st_uid)}, and you are {_user(os.geteuid())}: {ELSEWHERE}"
    raise OutputRefusedError(errno.EPERM, reason, str(path))


def _user(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
