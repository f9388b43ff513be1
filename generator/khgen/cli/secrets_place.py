"""Where a cluster's secrets file is, and which spec it belongs to."""

import os
from pathlib import Path

import click

from khgen.disk.private_file import STANDARD_INPUT
from khgen.disk.secrets_file import default_secrets_path
from khgen.disk.spec_file import SpecFile, find_spec, read_spec
from khgen.problems import Finding
from khgen.spec.load import cluster_name
from khgen.spec.model import ClusterSpec


def secrets_path(spec_file: SpecFile, spec: ClusterSpec, named: str | None) -> Path:
    """Where the secrets file is: as the user named it, or beside the spec.

    Raises UsageError where a spec from a pipe leaves that open.
    """
    if named is None:
        return _beside(spec_file, spec)
    if Path(named) == STANDARD_INPUT and spec_file.is_standard_input:
        message = "the spec and the secrets cannot both come from standard input"
        raise click.UsageError(message)
    return Path(named)


def recorded_spec(spec_file: SpecFile, named: str | None) -> str | None:
    """The spec's file name, where the secrets file is to record it: only beside the spec."""
    if named is not None or spec_file.file is None or not spec_file.file.name.isprintable():
        return None
    return spec_file.file.name


def owner_finding(
    spec_file: SpecFile, spec: ClusterSpec, secrets: Path, owner: str | None
) -> Finding | None:
    """An error if the secrets file beside the spec belongs to another spec that is still there.

    One whose cluster cannot be told, for it is not YAML, may be of this cluster.
    """
    if spec_file.file is None or owner in {None, spec_file.file.name}:
        return None
    other = secrets.parent / str(owner)
    if _cluster_of(other) not in {spec.metadata.name, ""}:
        return None
    return Finding(
        path=("metadata", "name"),
        message=f"{secrets} belongs to {other}, which is still there:"
        " two clusters must not share their CAs",
        hint=f"give one of the two another metadata.name; if both mean one cluster, add --secrets"
        f" {secrets}; if {spec_file.file.name} is to replace {owner}, remove that one",
    )


def _beside(spec_file: SpecFile, spec: ClusterSpec) -> Path:
    if spec_file.file is None:
        message = f"the spec comes from {spec_file.shown}: name the secrets file with --secrets"
        raise click.UsageError(message)
    path = default_secrets_path(spec_file.file, spec)
    beside_link = default_secrets_path(spec_file.named, spec)
    if beside_link != path and os.path.lexists(beside_link) and not _same(beside_link, path):
        message = (
            f"{spec_file.named} is a link to {spec_file.file}, beside which {path.name} belongs,"
            f" but {beside_link} exists: move it there, or name the right one with --secrets"
        )
        raise click.UsageError(message)
    return path


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False


def _cluster_of(path: Path) -> str | None:
    """The name of the cluster that a spec describes; "" if it cannot be told, None if there is none."""
    try:
        return cluster_name(read_spec(find_spec(path)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return ""
