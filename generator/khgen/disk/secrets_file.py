"""The secrets file: the only code that reads or writes secrets.

It is created once, and never in part. Later writes only extend it. As long as no machine has
booted, it may also get the same keys for other founders.
"""

import errno
import fcntl
import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from khgen.disk.locks import clear_stale, locked_folder, temporary_file
from khgen.disk.spec_file import STANDARD_INPUT, STANDARD_INPUT_NAME, is_stream
from khgen.disk.system_calls import NO_LINK, NO_REPLACE, about, rename_with, sync_folder
from khgen.pki.adopt import ADOPTED_FILES, AdoptedPki, adopted_pki
from khgen.pki.secrets import (
    RandomBytes,
    Secrets,
    new_secrets,
    only_extends,
    only_refounds,
    refounded,
)
from khgen.pki.secrets_decode import WITHOUT_KEY, SealCheck, decode_secrets
from khgen.pki.secrets_encode import KEY_VARIABLE, MIN_KEY_BYTES, encode_secrets
from khgen.problems import Place, Problem, Problems, Severity
from khgen.spec.model import ClusterSpec

MAX_BYTES = 4 * 1024 * 1024
"""More than the generations of 10,000 nodes need; a longer file is something else."""
MAX_KEY_BYTES = 4096
_ROOT = 0
_KINDS: tuple[tuple[Callable[[int], bool], str, str], ...] = (
    (stat.S_ISDIR, "a folder", "name the file in it"),
    (stat.S_ISFIFO, "a named pipe", "read it through standard input: - < {path}"),
    (stat.S_ISCHR, "a device", "name a file"),
    (stat.S_ISBLK, "a device", "name a file"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSecrets:
    """Secrets that were read or made, or their problems."""

    secrets: Secrets | None
    problems: Problems
    fresh: bool = False
    """Whether they are new and not yet in a file."""


class PrivateFileError(ValueError):
    """The reason why a file is not read; `hint` is what to do."""

    def __init__(self, message: str, hint: str) -> None:
        """That message with that hint."""
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateFile:
    """A file's content, up to the requested size."""

    content: bytes
    mode: int | None
    """Its permissions; None for a stream, which nobody else can open."""
    foreign_owner: int | None = None
    """The user who can change it at any time, if that is neither this user nor root."""


def default_secrets_path(spec_path: Path, spec: ClusterSpec) -> Path:
    """The default place of a cluster's secrets: beside its spec."""
    return spec_path.parent / f"{spec.metadata.name}.secrets.yaml"


def load_or_make(
    path: Path,
    spec: ClusterSpec,
    *,
    now: datetime,
    random_bytes: RandomBytes,
    seal: SealCheck = WITHOUT_KEY,
) -> LoadedSecrets:
    """The cluster's secrets; if there is no such file, new ones, which `create` then writes."""
    if path == STANDARD_INPUT or os.path.lexists(path):
        return load(path, spec.metadata.name, now=now, seal=seal)
    secrets = new_secrets(spec, now, random_bytes)
    return LoadedSecrets(secrets=secrets, problems=Problems(), fresh=True)


def load(
    path: Path,
    cluster: str | None = None,
    *,
    now: datetime | None = None,
    seal: SealCheck = WITHOUT_KEY,
) -> LoadedSecrets:
    """The secrets in a file, or on standard input for `-`."""
    name = STANDARD_INPUT_NAME if path == STANDARD_INPUT else str(path)
    try:
        _clear_beside(path)
        file = read_private_file(path, MAX_BYTES + 1)
        _refuse_foreign(file, path, seal.key)
        text = _text(file.content)
    except PrivateFileError as error:
        place = Place(file=name, line=1, column=1)
        problem = Problem(message=str(error), place=place, hint=error.hint)
        return LoadedSecrets(secrets=None, problems=Problems.of([problem]))
    secrets, problems = decode_secrets(text, name, cluster=cluster, now=now, seal=seal)
    return LoadedSecrets(secrets=secrets, problems=Problems.of((*problems, *_others(file, name))))


def read_key(path: Path) -> bytes:
    """The key that seals secrets files; a line end after it does not count."""
    file = read_private_file(path, MAX_KEY_BYTES + 1)
    _refuse_foreign(file, path, None)
    key = file.content.rstrip(b"\r\n")
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        message = f"a key of {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes is expected, not {len(key)}"
        raise PrivateFileError(message, f"openssl rand -hex 32 makes one; {KEY_VARIABLE} names it")
    return key


def create(path: Path, secrets: Secrets, key: bytes | None = None) -> bool:
    """Write a new secrets file; False, and nothing is written, if there is one already."""
    clear_stale(path.parent)
    with temporary_file(path, encode_secrets(secrets, key).encode(), private=True) as staged:
        created = _put_new(staged, path)
    if created:
        sync_folder(path.parent)
    return created


def extend(
    path: Path,
    change: Callable[[Secrets], Secrets],
    key: bytes | None = None,
    mend: Callable[[Secrets], Secrets] = lambda old: old,
) -> Secrets:
    """Add to a secrets file, one writer at a time; a change that loses anything is a defect.

    `mend` first corrects the old secrets, like dates of a wrong clock; its result must not be lost.
    """

    def extends(new: Secrets, old: Secrets) -> bool:
        return only_extends(new, mend(old))

    return _rewrite(path, lambda old: change(mend(old)), extends, SealCheck(key=key))


def refound(path: Path, spec: ClusterSpec, key: bytes | None = None) -> Secrets:
    """Record the spec's founders and identity again; only valid before any machine has booted."""
    return _rewrite(path, lambda old: refounded(old, spec), only_refounds, SealCheck(key=key))


def seal(path: Path, accepted: Secrets, key: bytes | None) -> bool:
    """Seal a file whose content was accepted; False, and nothing is written, if it has changed."""
    wanted = encode_secrets(accepted)

    def unchanged(_: Secrets, old: Secrets) -> bool:
        return encode_secrets(old) == wanted

    try:
        _rewrite(path, lambda old: old, unchanged, SealCheck(key=key, skipped=True))
    except ValueError:
        return False
    return True


def _rewrite(
    path: Path,
    change: Callable[[Secrets], Secrets],
    allowed: Callable[[Secrets, Secrets], bool],
    check: SealCheck,
) -> Secrets:
    target = path.resolve()
    with locked_folder(target.parent):
        old = load(target, seal=check).secrets
        if old is None:
            message = "the secrets file is damaged: load it first, and show its problems"
            raise ValueError(message)
        new = change(old)
        if not allowed(new, old):
            message = "a secrets file is only ever added to"
            raise ValueError(message)
        with temporary_file(target, encode_secrets(new, check.key).encode()) as staged:
            _replace(staged, target)
        sync_folder(target.parent)
    return new


def import_pki(directory: Path, now: datetime) -> tuple[AdoptedPki | None, Problems]:
    """The authorities and the service-account key of a kubeadm PKI directory."""
    texts: dict[str, str] = {}
    for name in ADOPTED_FILES:
        with suppress(FileNotFoundError, NotADirectoryError):
            texts[name] = _pem_text(directory / name)
    return adopted_pki(texts, str(directory), now)


def _pem_text(path: Path) -> str:
    try:
        return read_private_file(path, MAX_BYTES).content.decode("ascii", errors="replace")
    except PrivateFileError:
        return ""  # A folder or a pipe: the reader reports that it holds no PEM.


def _clear_beside(path: Path) -> None:
    if path != STANDARD_INPUT:
        clear_stale(Path(os.path.realpath(path)).parent)


def _text(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        message = f"longer than {MAX_BYTES} bytes: not a secrets file"
        raise PrivateFileError(message, "name the cluster's secrets file with --secrets")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        message = "not UTF-8 text: not a secrets file, or an encrypted one"
        raise PrivateFileError(message, "decrypt it into a pipe: --secrets -") from None


def _refuse_foreign(file: PrivateFile, path: Path, key: bytes | None) -> None:
    """Refuse a file that another user can change, unless its seal shows that nobody did."""
    if file.foreign_owner is None or key is not None:
        return
    message = (
        f"it belongs to another user (uid {file.foreign_owner}), who can change it at any time"
    )
    hint = f"chown {os.geteuid()} {path}; where that user is trusted: --secrets - < {path}"
    raise PrivateFileError(message, hint)


def _others(file: PrivateFile, name: str) -> list[Problem]:
    """A warning if others may open the file."""
    if file.mode is None or file.mode & 0o077 == 0:
        return []
    warning = Problem(
        message=f"others may read or change the secrets file (its mode is {file.mode:04o})",
        place=Place(file=name, line=1, column=1),
        hint=f"chmod 600 {name}",
        severity=Severity.WARNING,
    )
    return [warning]


def _replace(staged: Path, target: Path) -> None:
    try:
        staged.replace(target)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise about(target, error) from None
        reason = "is mounted by itself, so it cannot be replaced: mount the folder that it is in"
        raise OSError(error.errno, reason, str(target)) from None


def _put_new(staged: Path, path: Path) -> bool:
    """Give the staged file its name, unless a file has it already; of two writers, one wins."""
    try:
        os.link(staged, path)  # Unlike a rename, a link never replaces.
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINK:
            raise about(path, error) from None
    else:
        return True
    try:
        return rename_with(NO_REPLACE, staged, path) or _put_new_under_lock(staged, path)
    except FileExistsError:
        return False


def _put_new_under_lock(staged: Path, path: Path) -> bool:
    """The same on a file system with neither hard links nor a rename that never replaces.

    The lock has its own file: the folder's lock may already be held for the output beside it.
    """
    lock = path.with_name(f".{path.name}.lock")
    while True:
        descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _is_named(descriptor, lock):
                continue  # The holder has removed it, so this descriptor locks nothing.
            created = not os.path.lexists(path)
            if created:
                staged.rename(path)
            lock.unlink()
            return created
        finally:
            os.close(descriptor)


def _is_named(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def read_private_file(path: Path, max_bytes: int) -> PrivateFile:
    """Up to `max_bytes` of a file or a stream; raises PrivateFileError for anything else.

    It refuses a named pipe, which may never get a writer. A shell's <(…) is a pipe too, but its
    writer is running.
    """
    if path == STANDARD_INPUT:
        return PrivateFile(content=sys.stdin.buffer.read(max_bytes), mode=None)
    # Without O_NONBLOCK, opening a pipe would wait for a writer.
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
    """This user, root, and the user who ran sudo: the rule of git's safe.directory."""
    user = os.geteuid()
    sudo = os.environ.get("SUDO_UID", "")
    called = {int(sudo)} if user == _ROOT and sudo.isdecimal() else set()
    return frozenset({user, _ROOT, *called})
