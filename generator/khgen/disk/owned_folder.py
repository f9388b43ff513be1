"""The folders that khgen writes, each with a listing that shows that it is khgen's.

A listing (manifest.json of a render, the list of seeds or exports) is a JSON object. No other
program writes its `kind`, and its digest shows whether somebody edited it. A folder is khgen's if
it holds a listing, if the listing has every entry below the folder, and if no other user owns any
of it. khgen never replaces, keeps or removes anything else.
"""

import errno
import hashlib
import json
import os
import pwd
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from khgen import __version__
from khgen.disk.system_calls import is_own
from khgen.problems import path_text

ListedFiles = Callable[[Path], frozenset[str]]
"""The files that the listing in a folder lists, and the listing itself.

Raises FileNotFoundError if there is no listing, and OutputRefusedError if it is not khgen's.
"""

ELSEWHERE = "name another folder with -o"
_OPEN_TO_OTHERS = stat.S_IWGRP | stat.S_IWOTH
MAX_FAULTS = 5
"""A listing of another khgen version may have the same fault for every node."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_PART = r"([^/\x00.][^/\x00]*|\.[^/\x00.][^/\x00]*|\.\.[^/\x00]+)"
RelativePath = Annotated[str, StringConstraints(pattern=rf"^{_PART}(/{_PART})*$")]
"""A path that stays below its folder: no empty part, no `.` and no `..`."""
AbsolutePath = Annotated[str, StringConstraints(pattern=rf"^(/{_PART})+$")]
"""The same for a path on a node, below the node's root folder."""


class ListingPart(BaseModel):
    """A part of a listing; its keys are in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore", strict=True)


class Listing(ListingPart):
    """What every listing has. Its `kind`, narrowed by each model, says which one it is."""

    kind: str
    khgen: str
    sha256: Sha256


AnyListing = TypeVar("AnyListing", bound=Listing)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingFault:
    """One fault of a listing, and its place if that is known."""

    message: str
    line: int = 1
    column: int = 1


class ListingError(ValueError):
    """The file is not a listing of that kind, or somebody edited it."""

    def __init__(self, *faults: ListingFault) -> None:
        """With at least one fault."""
        super().__init__(faults[0].message)
        self.faults = faults


def listing_text(kind: str, values: Mapping[str, object]) -> str:
    """The text of a listing of that kind with these values and their digest."""
    listing = {"kind": kind, "khgen": __version__, **values}
    return json.dumps({**listing, "sha256": _digest(listing)}, indent=2) + "\n"


def decoded_listing(content: bytes, model: type[AnyListing]) -> AnyListing:
    """The listing in these bytes; raises ListingError if they are not as khgen wrote them."""
    values = _json_values(content)
    try:
        listing = model.model_validate_json(content)
    except ValidationError as error:
        raise ListingError(*_wrong_values(error)) from None
    if listing.sha256 != _digest({key: values[key] for key in values if key != "sha256"}):
        message = "changed since khgen wrote it: its sha256 is not that of its content"
        raise ListingError(ListingFault(message=message))
    return listing


def read_regular(path: Path) -> bytes:
    """The content of a file; raises OSError if the path is not a file, and never blocks."""
    # Without O_NONBLOCK, opening a FIFO that nobody writes to would never return.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is not a file", str(path))
        return file.read()


def _json_values(content: bytes) -> dict[str, object]:
    try:
        values = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        fault = ListingFault(message="not UTF-8 text", line=line)
    except json.JSONDecodeError as error:
        message = f"not JSON: {error.msg.lower()}"
        fault = ListingFault(message=message, line=error.lineno, column=error.colno)
    except (RecursionError, ValueError):
        # Python's JSON reader fails on deep nesting and on numbers of thousands of digits.
        fault = ListingFault(message="not JSON that khgen writes: a value is too deep or too long")
    else:
        if isinstance(values, dict):
            return values
        fault = ListingFault(message="not a JSON object")
    raise ListingError(fault)


def _wrong_values(error: ValidationError) -> Iterator[ListingFault]:
    details = error.errors()
    for detail in details[:MAX_FAULTS]:
        where = path_text(tuple(step for step in detail["loc"] if step != "[key]"))
        message = f"{where or 'the whole'}: {detail['msg'].lower()}"
        yield ListingFault(message=f"not what this khgen writes: {message}")
    if len(details) > MAX_FAULTS:
        yield ListingFault(message=f"and {len(details) - MAX_FAULTS} more like these")


def _digest(values: Mapping[str, object]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class OutputRefusedError(OSError):
    """The output folder is not one that khgen may replace."""


def refuse_foreign(folder: Path, listed_files: ListedFiles) -> None:
    """Raise OutputRefusedError unless the folder is khgen's, is empty, or does not exist."""
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
    """Raise OutputRefusedError if another user owns what is at that path."""
    _refuse_owner(path, path.lstat())


def first_inside(folder: Path, paths: Iterable[Path]) -> Path | None:
    """The first of the paths that is the folder or below it, directly or through links."""
    return next((path for path in paths if _is_inside(folder, path)), None)


def _is_inside(folder: Path, path: Path) -> bool:
    outer = folder.resolve()
    # A link below the folder counts too: it would be lost like its target.
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
"""If the folder is a home folder by mistake, khgen does not list all of it."""


def _foreign_entries(folder: Path, listed: frozenset[str]) -> Iterator[str]:
    """Every entry that is not listed, or is neither a file nor a folder; refuses another user's."""
    folders = _parents(listed)
    remaining = [""]
    while remaining:
        below = remaining.pop()
        path = f"{folder}/{below}"  # Text: thousands of Paths take as long as the rest.
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
                    # Others can have files here only if they may write to the folder.
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
