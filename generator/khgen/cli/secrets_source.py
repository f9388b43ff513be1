"""The cluster's secrets file: where it is, how it is read, and what a render records in it."""

import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import click

from khgen.cli.inputs import Inputs, now
from khgen.cli.outcome import Exit, Report, wrote
from khgen.disk.secrets_file import (
    LoadedSecrets,
    PrivateFileError,
    create,
    default_secrets_path,
    extend,
    load,
    load_or_make,
    read_key,
)
from khgen.disk.spec_file import (
    STANDARD_INPUT,
    STANDARD_INPUT_NAME,
    SpecFile,
    find_spec,
    is_stream,
    read_spec,
)
from khgen.pki.identity import contradictions, version_findings
from khgen.pki.secrets import Secrets, founding_nodes, is_recorded, recorded
from khgen.pki.secrets_decode import SealCheck
from khgen.pki.secrets_encode import KEY_VARIABLE
from khgen.problems import Finding, Place, Problem, Problems, Severity
from khgen.spec.load import cluster_name
from khgen.spec.model import ClusterSpec

DECRYPT_HINT = "render once with the decrypted file itself, then encrypt that file again"
WRITABLE_HINT = "make the file and its folder writable, and render again"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsSource:
    """The secrets, and where they are kept; `fresh` if this run made them."""

    secrets: Secrets
    path: Path
    fresh: bool
    spec_file: str | None
    """The name of the spec's file, if the secrets file records it."""
    key: bytes | None
    """The key that seals the file, if the operator keeps one."""

    @property
    def read_only(self) -> bool:
        """Whether they came through a pipe, and cannot be written back."""
        return is_stream(self.path)


class SecretsAppearedError(Exception):
    """Another render made the secrets file first; its secrets are the cluster's."""


def secrets_path(inputs: Inputs, named: str | None) -> Path:
    """Where the secrets file is: as the user named it, or beside the spec.

    Raises UsageError for a spec from a pipe if the user named no file.
    """
    if named is None:
        return _beside(inputs.file, inputs.spec)
    if Path(named) == STANDARD_INPUT and inputs.file.is_standard_input:
        message = "the spec and the secrets cannot both come from standard input"
        raise click.UsageError(message)
    return Path(named)


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


def recorded_spec(spec_file: SpecFile, named: str | None) -> str | None:
    """The spec's file name, if the secrets file is beside the spec and so records it."""
    if named is not None or spec_file.file is None or not spec_file.file.name.isprintable():
        return None
    return spec_file.file.name


def require_folder(path: Path, report: Report) -> None:
    """End the command before its work if there is no folder for a new secrets file."""
    if not path.parent.is_dir():
        hint = f"mkdir -p {path.parent}, or name another file with --secrets"
        message = "there is no folder to create the secrets file in"
        report.run.fail(Exit.FILES, message, hint=hint, file=str(path))


def read_secrets(
    inputs: Inputs,
    named: str | None,
    report: Report,
    *,
    must_exist: bool = False,
    sealed: bool = True,
) -> SecretsSource:
    """The secrets of this cluster; if there are none, new ones, which are not written.

    Without `sealed`, their seal is not checked.
    """
    path = secrets_path(inputs, named)
    seal = SealCheck(key=secrets_key(report), skipped=not sealed)
    if must_exist:
        loaded = _present_secrets(path, inputs.spec.metadata.name, report, seal)
    else:
        loaded = load_or_make(path, inputs.spec, now=now(), random_bytes=os.urandom, seal=seal)
    if loaded.fresh:
        require_folder(path, report)
    report.add(loaded.problems, {})
    report.stop_if_fatal()
    secrets, spec_file = loaded.secrets, recorded_spec(inputs.file, named)
    assert secrets is not None, "secrets without errors are secrets"  # noqa: S101
    if loaded.fresh:
        secrets = replace(secrets, spec_file=spec_file)
    return SecretsSource(
        secrets=secrets, path=path, fresh=loaded.fresh, spec_file=spec_file, key=seal.key
    )


def _present_secrets(path: Path, cluster: str, report: Report, seal: SealCheck) -> LoadedSecrets:
    try:
        return load(path, cluster, now=now(), seal=seal)
    except FileNotFoundError:
        hint = "khgen render creates it beside the spec; name another file with --secrets"
        report.run.fail(Exit.FILES, "there is no such secrets file", hint=hint, file=str(path))


def secrets_key(report: Report) -> bytes | None:
    """The key that the operator seals secrets files with; None if there is none."""
    named = os.environ.get(KEY_VARIABLE)
    if named is None:
        return None
    try:
        return _key_of(Path(named))
    except PrivateFileError as error:
        place = Place(file=named, line=1, column=1)
        report.add(Problems.of([Problem(message=str(error), place=place, hint=error.hint)]), {})
        report.stop_if_fatal()
        return None


@cache
def _key_of(path: Path) -> bytes:
    """The key in a file; the file may be a pipe, so it is read only once."""
    return read_key(path)


def changed_file(source: SecretsSource, command: str) -> Path:
    """The file that a command changes; ends the command if the secrets came through a pipe."""
    if source.read_only:
        message = f"{command} changes the secrets file, so it needs the file itself"
        raise click.UsageError(message)
    return source.path


def identity_problems(inputs: Inputs, source: SecretsSource) -> Problems:
    """The contradictions between the spec and the recorded cluster."""
    secrets = source.secrets
    recorded = inputs.problems(
        (
            *contradictions(inputs.spec, secrets.identity),
            *version_findings(inputs.spec, secrets.kubernetes),
        )
    )
    return Problems.of((*owner_problems(inputs, source), *recorded))


def owner_problems(inputs: Inputs, source: SecretsSource) -> Problems:
    """An error if the secrets file beside this spec belongs to another spec."""
    if source.spec_file is None:
        return Problems()
    owner = source.secrets.spec_file
    found = _owner_finding(inputs.file, inputs.spec, source.path, owner)
    return Problems() if found is None else inputs.problems([found])


def _owner_finding(
    spec_file: SpecFile, spec: ClusterSpec, secrets: Path, owner: str | None
) -> Finding | None:
    """An error if the secrets file beside the spec belongs to another spec that is still there.

    A spec that is not YAML has no cluster's name; it may be of this cluster.
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
        hint=f"give one of the two another metadata.name; if both describe one cluster, add --secrets"
        f" {secrets}; if {spec_file.file.name} is to replace {owner}, remove that one",
    )


def _cluster_of(path: Path) -> str | None:
    """The cluster that a spec describes; "" if it cannot be read, None if there is no such file."""
    try:
        return cluster_name(read_spec(find_spec(path)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return ""


def keep_new(source: SecretsSource) -> None:
    """Write secrets that this render made; called when its other files are complete."""
    if not source.fresh:
        return
    if not create(source.path, source.secrets, source.key):
        raise SecretsAppearedError
    wrote(source.path)


def founders_line(secrets: Secrets, spec: Path) -> str:
    """Which nodes are the founders, and until when that can change."""
    return (
        f"founders fixed: {', '.join(founding_nodes(secrets))}; until a machine has booted,"
        f" khgen secrets refound {spec} changes them"
    )


def unrecorded(inputs: Inputs, source: SecretsSource) -> Problems:
    """A warning if this render has something to record but cannot write it."""
    if not source.read_only or is_recorded(source.secrets, inputs.spec):
        return Problems()
    if source.path == STANDARD_INPUT:
        return _warning(STANDARD_INPUT_NAME, "secrets from standard input", DECRYPT_HINT)
    return _warning(str(source.path), "secrets from a pipe", DECRYPT_HINT)


def record(inputs: Inputs, source: SecretsSource) -> Problems:
    """Record this render in the secrets file; a warning if the file cannot be written."""
    if source.fresh or source.read_only or _knows_all(inputs, source):
        return Problems()
    try:
        extend(source.path, lambda old: _with_record(old, inputs, source), source.key)
    except OSError as error:
        why = f"the secrets file cannot be written ({error.strerror})"
        return _warning(str(source.path), why, WRITABLE_HINT)
    wrote(source.path)
    return Problems()


def _knows_all(inputs: Inputs, source: SecretsSource) -> bool:
    named = source.spec_file in {None, source.secrets.spec_file}
    return named and is_recorded(source.secrets, inputs.spec)


def _with_record(old: Secrets, inputs: Inputs, source: SecretsSource) -> Secrets:
    spec_file = old.spec_file if source.spec_file is None else source.spec_file
    return replace(recorded(old, inputs.spec), spec_file=spec_file)


def _warning(file: str, why: str, hint: str) -> Problems:
    message = f"{why}: the identity and the version of this render are not recorded"
    place = Place(file=file, line=1, column=1)
    return Problems.of(
        [Problem(message=message, place=place, hint=hint, severity=Severity.WARNING)]
    )
