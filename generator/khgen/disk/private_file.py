"""Reading files that hold keys: what kind of file it is, whose it is, and who else may change it."""

import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

STANDARD_INPUT = Path("-")
STANDARD_INPUT_NAME = "<stdin>"
_DESCRIPTORS = (Path("/dev/fd"), Path("/proc/self/fd"))
_ROOT = 0
_KINDS: tuple[tuple[Callable[[int], bool], str, str], ...] = (
    (stat.S_ISDIR, "a folder", "name the file in it"),
    (stat.S_ISFIFO, "a named pipe", "read it through standard input: - < {path}"),
    (stat.S_ISCHR, "a device", "name a file"),
    (stat.S_ISBLK, "a device", "name a file"),
)


class PrivateFileError(ValueError):
    """A file that is not read, and why; `hint` is what to do."""

    def __init__(self, message: str, hint: str) -> None:
        """That message with that hint."""
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateFile:
    """A file's content, as much of it as was asked for."""

    content: bytes
    mode: int | None
    """Its permissions; None for a stream, which nobody else can open."""
    foreign_owner: int | None = None
    """Who can change it at any time, if that is neither the user nor root."""


def is_stream(path: Path) -> bool:
    """Whether a path is read once and never written: standard input, or a shell's <(…)."""
    return path in {STANDARD_INPUT, Path("/dev/stdin")} or path.parent in _DESCRIPTORS


def read_private_file(path: Path, max_bytes: int) -> PrivateFile:
    """Up to `max_bytes` of a file; raises PrivateFileError for what is no plain file.

    It never waits for a named pipe that nobody writes to: that is refused. A shell's <(…) is a pipe
    too, but its writer is running.
    """
    if path == STANDARD_INPUT:
        return PrivateFile(content=sys.stdin.buffer.read(max_bytes), mode=None)
    # Without O_NONBLOCK the opening itself would wait for a writer.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            _refuse_kind(path, status.st_mode)
            os.set_blocking(descriptor, True)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(max_bytes)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return PrivateFile(content=content, mode=None)
    return PrivateFile(
        content=content,
        mode=stat.S_IMODE(status.st_mode),
        foreign_owner=None if status.st_uid in _trusted_owners() else status.st_uid,
    )


def _refuse_kind(path: Path, mode: int) -> None:
    if is_stream(path) and not stat.S_ISDIR(mode):
        return
    for is_kind, what, hint in _KINDS:
        if is_kind(mode):
            message = f"{what}, not a file"
            raise PrivateFileError(message, hint.format(path=path))


def _trusted_owners() -> frozenset[int]:
    """The user himself, root, and who became root by sudo: the rule of git's safe.directory."""
    user = os.geteuid()
    sudo = os.environ.get("SUDO_UID", "")
    called = {int(sudo)} if user == _ROOT and sudo.isdecimal() else set()
    return frozenset({user, _ROOT, *called})
