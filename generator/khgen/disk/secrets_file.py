"""The secrets file: the only code that reads or writes secrets.

It is created once, whole or not at all, and never replaced but by an extension of itself, or, as
long as no machine has booted, by the same keys for other founders.
"""

import errno
import fcntl
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from khgen.disk.folder_lock import locked_folder
from khgen.disk.system_calls import NO_LINK, NO_REPLACE, about, rename_with, sync_folder
from khgen.disk.temporary import clear_stale, temporary_file
from khgen.pki.adopt import ADOPTED_FILES, AdoptedPki, adopted_pki
from khgen.pki.secrets import (
    RandomBytes,
    Secrets,
    adopted_secrets,
    new_secrets,
    only_extends,
    only_refounds,
    refounded,
)
from khgen.pki.secrets_decode import decode_secrets
from khgen.pki.secrets_text import encode_secrets
from khgen.problems import Place, Problem, Problems, Severity
from khgen.spec.model import ClusterSpec

STANDARD_INPUT = Path("-")
STANDARD_INPUT_NAME = "<stdin>"
MAX_BYTES = 4 * 1024 * 1024
"""More than the generations of 10,000 nodes take; a longer file is something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSecrets:
    """Secrets that were read or made, or what is wrong with them."""

    secrets: Secrets | None
    problems: Problems
    fresh: bool = False
    """Whether they were made just now, and are in no file yet."""


def default_secrets_path(spec_path: Path, spec: ClusterSpec) -> Path:
    """Where a cluster's secrets are unless it is said otherwise: beside its spec."""
    return spec_path.parent / f"{spec.metadata.name}.secrets.yaml"


def load_or_make(
    path: Path, spec: ClusterSpec, *, now: datetime, random_bytes: RandomBytes
) -> LoadedSecrets:
    """The cluster's secrets; where there is no such file, new ones, which `create` then writes."""
    if path == STANDARD_INPUT or os.path.lexists(path):
        return load(path, spec.metadata.name, now=now)
    secrets = new_secrets(spec, now, random_bytes)
    return LoadedSecrets(secrets=secrets, problems=Problems(), fresh=True)


def load(path: Path, cluster: str | None = None, *, now: datetime | None = None) -> LoadedSecrets:
    """The secrets in a file, or on standard input for `-`."""
    name = STANDARD_INPUT_NAME if path == STANDARD_INPUT else str(path)
    content, warnings = _read(path)
    if len(content) > MAX_BYTES:
        return _failed(name, f"longer than {MAX_BYTES} bytes: not a secrets file")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return _failed(name, "not UTF-8 text: not a secrets file, or an encrypted one")
    secrets, problems = decode_secrets(text, name, cluster=cluster, now=now)
    return LoadedSecrets(secrets=secrets, problems=Problems.of((*problems, *warnings)))


def create(path: Path, secrets: Secrets) -> bool:
    """Write a new secrets file; False, and nothing written, where there is one already."""
    clear_stale(path.parent)
    with temporary_file(path, encode_secrets(secrets).encode(), private=True) as staged:
        created = _put_new(staged, path)
    if created:
        sync_folder(path.parent)
    return created


def extend(path: Path, change: Callable[[Secrets], Secrets]) -> Secrets:
    """Add to a secrets file, one writer at a time; a change that loses anything is a defect."""
    return _rewrite(path, change, only_extends)


def refound(path: Path, spec: ClusterSpec) -> Secrets:
    """Record the spec's founders and identity anew: only for a cluster no machine of which booted."""
    return _rewrite(path, lambda old: refounded(old, spec), only_refounds)


def _rewrite(
    path: Path,
    change: Callable[[Secrets], Secrets],
    allowed: Callable[[Secrets, Secrets], bool],
) -> Secrets:
    target = path.resolve()
    with locked_folder(target.parent):
        old = load(target).secrets
        if old is None:
            message = "the secrets file is damaged: load it first, and show its problems"
            raise ValueError(message)
        new = change(old)
        if not allowed(new, old):
            message = "a secrets file is only ever added to"
            raise ValueError(message)
        with temporary_file(target, encode_secrets(new).encode()) as staged:
            _replace(staged, target)
        sync_folder(target.parent)
    return new


def import_pki(directory: Path, now: datetime) -> tuple[AdoptedPki | None, Problems]:
    """The authorities and the service-account key of a kubeadm PKI directory."""
    texts: dict[str, str] = {}
    for name in ADOPTED_FILES:
        with suppress(FileNotFoundError, NotADirectoryError):
            texts[name] = (directory / name).read_text(encoding="ascii", errors="replace")
    return adopted_pki(texts, str(directory), now)


def create_imported(  # noqa: PLR0913 - what a new file is made of
    path: Path,
    spec: ClusterSpec,
    adopted: AdoptedPki,
    *,
    now: datetime,
    random_bytes: RandomBytes,
    spec_file: str | None = None,
) -> Secrets | None:
    """Write a new secrets file around an adopted PKI; None where there is one already."""
    secrets = adopted_secrets(spec, adopted.authorities, adopted.service_account, now, random_bytes)
    secrets = replace(secrets, spec_file=spec_file)
    return secrets if create(path, secrets) else None


def _read(path: Path) -> tuple[bytes, list[Problem]]:
    if path == STANDARD_INPUT:
        return sys.stdin.buffer.read(MAX_BYTES + 1), []
    clear_stale(Path(os.path.realpath(path)).parent)
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
        mode = os.fstat(file.fileno()).st_mode & 0o777
    if mode & 0o077 == 0:
        return content, []
    warning = Problem(
        message=f"others may read or change the secrets file (its mode is {mode:04o})",
        place=Place(file=str(path), line=1, column=1),
        hint=f"chmod 600 {path}",
        severity=Severity.WARNING,
    )
    return content, [warning]


def _failed(name: str, message: str) -> LoadedSecrets:
    problem = Problem(message=message, place=Place(file=name, line=1, column=1))
    return LoadedSecrets(secrets=None, problems=Problems.of([problem]))


def _replace(staged: Path, target: Path) -> None:
    try:
        staged.replace(target)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise about(target, error) from None
        reason = "is mounted by itself, so it cannot be replaced: mount the folder that it is in"
        raise OSError(error.errno, reason, str(target)) from None


def _put_new(staged: Path, path: Path) -> bool:
    """Give the staged file its name, unless a file has it already: of two at once, one wins."""
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
    """The same, where the file system has neither hard links nor a rename that replaces nothing.

    The lock has a file of its own: the folder's may be held already, for the output beside it.
    """
    lock = path.with_name(f".{path.name}.lock")
    while True:
        descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _is_named(descriptor, lock):
                continue  # Whoever held it has removed it: this one locks nothing.
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
