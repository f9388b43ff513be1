"""Reads cluster.yaml, and the manifests beside it that it names, from the disk."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from khgen.problems import Finding, ValuePath
from khgen.spec.model import ClusterSpec


def read_spec(path: Path) -> str:
    """The text of a spec; bytes that are not UTF-8 become surrogates, which load_spec reports."""
    return path.read_bytes().decode("utf-8", errors="surrogateescape")


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

    Names are relative to the folder of cluster.yaml; any OSError but a missing file passes through.
    """
    contents: dict[str, bytes] = {}
    missing = []
    for path, name in local_manifests(spec):
        try:
            contents[name] = (folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            hint = "names are relative to the folder of cluster.yaml"
            missing.append(Finding(path=path, message=f"there is no file '{name}'", hint=hint))
    return contents, tuple(missing)
