"""Reads cluster.yaml, and the manifests and keys beside it that it names, from the disk."""

from collections.abc import Iterator, Mapping
from errno import ELOOP, ENAMETOOLONG
from pathlib import Path

from pydantic import ValidationError

from khgen.problems import Finding, ValuePath
from khgen.spec.model import ClusterSpec
from khgen.spec.model.machine import RepositoryKey
from khgen.spec.model.values import quoted


def read_spec(path: Path) -> str:
    """The text of a spec; bytes that are not UTF-8 become surrogates, which load_spec reports."""
    return path.read_bytes().decode("utf-8", errors="surrogateescape")


KEY_FIELDS = (
    ("kubernetesRepositoryKey", "kubernetes_repository_key"),
    ("dockerRepositoryKey", "docker_repository_key"),
)
NO_FILE_HINT = "names are relative to the folder of cluster.yaml"


def local_manifests(spec: ClusterSpec) -> Iterator[tuple[ValuePath, str]]:
    """Each manifest file that a spec names, as it writes it, with the path of that value."""
    if spec.addons.calico is not None and spec.addons.calico.path is not None:
        yield ("addons", "calico", "path"), spec.addons.calico.path
    for index, manifest in enumerate(spec.addons.manifests):
        if manifest.path is not None:
            yield ("addons", "manifests", index, "path"), manifest.path


def read_manifests(
    spec: ClusterSpec, folder: Path
) -> tuple[Mapping[str, bytes], tuple[Finding, ...]]:
    """The content of each local manifest by its name in the spec, and a finding for each missing.

    Names are relative to the folder of cluster.yaml; what is wrong with the disk passes through.
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
    """The spec with the text of each signing key that it names a file for, and what is wrong."""
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
    """A finding where another name would do; what is wrong with the disk passes through."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        message = f"there is no file {quoted(name)}"
    elif isinstance(error, IsADirectoryError) or error.errno in {ENAMETOOLONG, ELOOP}:
        message = f"{quoted(name)} cannot be read: {(error.strerror or '').lower()}"
    else:
        raise error
    return Finding(path=path, message=message, hint=NO_FILE_HINT)
