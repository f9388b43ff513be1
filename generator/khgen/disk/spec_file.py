"""Reads cluster.yaml, and the manifests and keys that it names, from the disk."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from errno import ELOOP, ENAMETOOLONG
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from khgen.problems import Finding, ValuePath, quoted
from khgen.spec.model import ClusterSpec
from khgen.spec.model.machine import RepositoryKey

STANDARD_INPUT = Path("-")
STANDARD_INPUT_NAME = "<stdin>"
_DESCRIPTORS = (Path("/dev/fd"), Path("/proc/self/fd"))
_DEVICES, _SHARED_MEMORY, _PROCESSES = Path("/dev"), Path("/dev/shm"), Path("/proc")  # noqa: S108


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecFile:
    """The place of a spec, and the folder to which names in it are relative."""

    named: Path
    """As the user named it."""
    file: Path | None
    """The file itself, with its links resolved; None for a pipe, which has no folder."""

    @property
    def folder(self) -> Path:
        """The folder of the file; for a pipe, the working directory."""
        return Path() if self.file is None else self.file.parent

    @property
    def shown(self) -> str:
        """Its name in messages."""
        return STANDARD_INPUT_NAME if self.named == STANDARD_INPUT else str(self.named)

    @property
    def is_standard_input(self) -> bool:
        """Whether reading it consumes standard input."""
        if self.file is not None:
            return False
        if self.named == STANDARD_INPUT:
            return True
        try:
            return os.path.samestat(os.fstat(0), self.named.stat())
        except OSError:
            return False


def is_stream(path: Path) -> bool:
    """Whether a path is read once and never written: standard input, or a shell's <(…)."""
    return path in {STANDARD_INPUT, Path("/dev/stdin")} or path.parent in _DESCRIPTORS


def find_spec(path: Path) -> SpecFile:
    """The file or pipe at a path, with links resolved. Raises OSError if there is none."""
    if path == STANDARD_INPUT or not _is_file(path.stat().st_mode):
        return SpecFile(named=path, file=None)
    file = path.resolve() if path.is_symlink() else path
    # A here-document's descriptor leads to a file that was deleted or never had a name.
    return SpecFile(named=path, file=file if file.exists() and _may_be_kept(file) else None)


def _may_be_kept(file: Path) -> bool:
    """Whether a file is in a place for users' files, not where the system shows open files."""
    in_devices = file.is_relative_to(_DEVICES) and not file.is_relative_to(_SHARED_MEMORY)
    return not in_devices and not file.is_relative_to(_PROCESSES)


def _is_file(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)  # Reading a folder fails with its name.


def read_spec(spec: SpecFile) -> str:
    """The text of a spec; bytes that are not UTF-8 become surrogates, which load_spec reports."""
    content = _read_pipe(spec.named) if spec.file is None else spec.named.read_bytes()
    return content.decode("utf-8", errors="surrogateescape")


@cache
def _read_pipe(path: Path) -> bytes:
    """The content of a pipe, which can be read only once."""
    if path != STANDARD_INPUT:
        return path.read_bytes()
    try:
        with open(0, "rb", closefd=False) as file:
            return file.read()
    except OSError as error:
        raise OSError(error.errno, error.strerror, STANDARD_INPUT_NAME) from None


KEY_FIELDS = (
    ("kubernetesRepositoryKey", "kubernetes_repository_key"),
    ("dockerRepositoryKey", "docker_repository_key"),
)
NO_FILE_HINT = "names are relative to the folder of the spec; of one from a pipe, to this one"


def local_manifests(spec: ClusterSpec) -> Iterator[tuple[ValuePath, str]]:
    """Each manifest file that a spec names, with the path of that value."""
    if spec.addons.calico is not None and spec.addons.calico.path is not None:
        yield ("addons", "calico", "path"), spec.addons.calico.path
    for index, manifest in enumerate(spec.addons.manifests):
        if manifest.path is not None:
            yield ("addons", "manifests", index, "path"), manifest.path


def text_files(spec: ClusterSpec) -> tuple[str, ...]:
    """The names of the manifests and signing keys in a spec."""
    keys = (getattr(spec.install, name) for _, name in KEY_FIELDS)
    return (
        *(name for _, name in local_manifests(spec)),
        *(key.path for key in keys if key is not None and key.path is not None),
    )


def read_manifests(
    spec: ClusterSpec, folder: Path
) -> tuple[Mapping[str, bytes], tuple[Finding, ...]]:
    """The content of each local manifest by its name in the spec, and a finding for each missing.

    Names are relative to the folder of cluster.yaml. Raises OSError for a fault of the disk.
    """
    contents: dict[str, bytes] = {}
    missing = []
    for path, name in local_manifests(spec):
        try:
            contents[name] = (folder / name).read_bytes()
        except OSError as error:
            missing.append(_unread(path, name, error))
    return contents, tuple(missing)


def read_repository_keys(
    spec: ClusterSpec, folder: Path
) -> tuple[ClusterSpec, tuple[Finding, ...]]:
    """The spec with the texts of the signing keys whose files it names, and the findings."""
    keys: dict[str, RepositoryKey] = {}
    wrong = []
    for alias, name in KEY_FIELDS:
        key: RepositoryKey | None = getattr(spec.install, name)
        if key is None or key.path is None:
            continue
        path = ("install", alias, "path")
        try:
            text = (folder / key.path).read_bytes().decode("ascii", errors="replace")
            keys[name] = RepositoryKey.model_validate({"text": text})
        except OSError as error:
            wrong.append(_unread(path, key.path, error))
        except ValidationError:
            message = f"{quoted(key.path)} is not an ASCII-armored OpenPGP key"
            hint = f"gpg --no-default-keyring --keyring ./{key.path} --armor --export"
            wrong.append(Finding(path=path, message=message, hint=hint))
    install = spec.install.model_copy(update=keys)
    return spec.model_copy(update={"install": install}), tuple(wrong)


def _unread(path: ValuePath, name: str, error: OSError) -> Finding:
    """A finding if another name would help; raises the error if the disk has a fault."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        message = f"there is no file {quoted(name)}"
    elif isinstance(error, IsADirectoryError) or error.errno in {ENAMETOOLONG, ELOOP}:
        message = f"{quoted(name)} cannot be read: {(error.strerror or '').lower()}"
    else:
        raise error
    return Finding(path=path, message=message, hint=NO_FILE_HINT)
