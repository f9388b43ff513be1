"""What the commands read: the spec with its manifests, and the secrets file beside it."""

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import click

from khgen.cli.outcome import Exit, Report
from khgen.cli.secrets_place import owner_finding, recorded_spec
from khgen.cli.secrets_place import secrets_path as secrets_place
from khgen.cli.summary import LISTED_NODES
from khgen.disk.private_file import PrivateFileError, is_stream
from khgen.disk.secrets_file import LoadedSecrets, load, load_or_make, read_key
from khgen.disk.spec_file import (
    SpecFile,
    find_spec,
    read_manifests,
    read_repository_keys,
    read_spec,
)
from khgen.pki.identity import contradictions, version_findings
from khgen.pki.secrets import Secrets
from khgen.pki.secrets_decode import SealCheck
from khgen.pki.secrets_encode import KEY_VARIABLE
from khgen.plan.cluster_plan import NodePlan, Plan
from khgen.problems import Finding, Place, Problem, Problems
from khgen.spec.addon_manifests import network_problems, read_manifest
from khgen.spec.check.downloads import first_use
from khgen.spec.load import Loaded, load_spec
from khgen.spec.model import ClusterSpec

EPOCH = re.compile("[0-9]+")
LAST_YEAR = 9899
LAST_EPOCH = int(datetime(LAST_YEAR, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
"""A certificate ends in 9999 at the latest (RFC 5280, 4.1.2.5), and lives 100 years at most."""
SHOWN_EPOCH = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """A spec that passed its checks, with what it was read from."""

    file: SpecFile
    loaded: Loaded
    spec: ClusterSpec
    manifests: Mapping[str, bytes]

    def problems(self, findings: Iterable[Finding]) -> Problems:
        """Findings of later stages, each with its place in the spec."""
        return Problems.of(map(self.loaded.problem, findings))


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsSource:
    """The secrets, and where they are kept; `fresh` if this run made them."""

    secrets: Secrets
    path: Path
    fresh: bool
    spec_file: str | None
    """The name of the spec's file, where the secrets file is to record it."""
    key: bytes | None
    """What the file is sealed with, if the operator keeps a key."""

    @property
    def read_only(self) -> bool:
        """Whether they came through a pipe, and cannot be written back."""
        return is_stream(self.path)


def read_inputs(path: Path, report: Report) -> Inputs:
    """The spec at that path with its manifests; ends the command if there are errors."""
    file, text = _spec_text(path, report)
    loaded = load_spec(text, file.shown)
    report.add(loaded.problems, {file.shown: text})
    report.stop_if_fatal()
    assert loaded.spec is not None, "a spec without errors is a spec"  # noqa: S101
    manifests, missing = read_manifests(loaded.spec, file.folder)
    spec, unread = read_repository_keys(loaded.spec, file.folder)
    report.add(Problems.of(map(loaded.problem, (*missing, *unread, *first_use(spec)))), {})
    _check_manifests(loaded.spec, manifests, file.folder, report)
    report.stop_if_fatal()
    return Inputs(file=file, loaded=loaded, spec=spec, manifests=manifests)


def _spec_text(path: Path, report: Report) -> tuple[SpecFile, str]:
    """Where the spec is, and its text; ends the command where there is no such file."""
    file = str(path)
    try:
        found = find_spec(path)
        return found, read_spec(found)
    except (FileNotFoundError, NotADirectoryError):
        hint = "khgen init writes a commented cluster.yaml to start from"
        report.run.fail(Exit.FILES, "there is no such file", hint=hint, file=file)
    except IsADirectoryError:
        hint = f"name the file in it, like {path / 'cluster.yaml'}"
        report.run.fail(Exit.FILES, "is a folder, not a cluster.yaml", hint=hint, file=file)


def _check_manifests(
    spec: ClusterSpec, manifests: Mapping[str, bytes], folder: Path, report: Report
) -> None:
    pods = spec.networking.pod_subnet.networks
    for name, content in manifests.items():
        file = str(folder / name)
        text = content.decode("utf-8", errors="surrogateescape")
        manifest = read_manifest(text, file)
        contradictions = network_problems(manifest.objects, pods, file)
        report.add(Problems.of((*manifest.problems, *contradictions)), {file: text})


def read_secrets(
    inputs: Inputs,
    named: str | None,
    report: Report,
    *,
    must_exist: bool = False,
    sealed: bool = True,
) -> SecretsSource:
    """The secrets of this cluster; where there are none, new ones, which are written nowhere.

    Where they need not be `sealed`, their seal is not looked at.
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


def changed_file(source: SecretsSource, command: str) -> Path:
    """The file that a command changes; ends the command where the secrets came through a pipe."""
    if source.read_only:
        message = f"{command} changes the secrets file, so it needs the file itself"
        raise click.UsageError(message)
    return source.path


def secrets_key(report: Report) -> bytes | None:
    """The key that the operator seals secrets files with; None where he keeps none."""
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
    """The key in a file, which may be a pipe, and so is read once."""
    return read_key(path)


def secrets_path(inputs: Inputs, named: str | None) -> Path:
    """Where the secrets file is: as the user named it, or beside the spec."""
    return secrets_place(inputs.file, inputs.spec, named)


def owner_problems(inputs: Inputs, source: SecretsSource) -> Problems:
    """An error if the secrets file beside this spec belongs to another spec."""
    if source.spec_file is None:
        return Problems()
    owner = source.secrets.spec_file
    found = owner_finding(inputs.file, inputs.spec, source.path, owner)
    return Problems() if found is None else inputs.problems([found])


def _present_secrets(path: Path, cluster: str, report: Report, seal: SealCheck) -> LoadedSecrets:
    try:
        return load(path, cluster, now=now(), seal=seal)
    except FileNotFoundError:
        hint = "khgen render creates it beside the spec; name another file with --secrets"
        report.run.fail(Exit.FILES, "there is no such secrets file", hint=hint, file=str(path))


def require_folder(path: Path, report: Report) -> None:
    """End the command, before its work, where there is no folder for a new secrets file."""
    if not path.parent.is_dir():
        hint = f"mkdir -p {path.parent}, or name another file with --secrets"
        message = "there is no folder to create the secrets file in"
        report.run.fail(Exit.FILES, message, hint=hint, file=str(path))


def require_nodes(names: Iterable[str], known: Collection[str], where: str) -> None:
    """Raise a UsageError for a name that is not among the known ones."""
    for name in names:
        if name not in known:
            raise no_such_node(name, known, where)


def no_such_node(
    name: str, known: Collection[str], where: str, otherwise: str = ""
) -> click.UsageError:
    """The error for a name that no node has; it names a close one, or what else can be done."""
    close = get_close_matches(name, known, n=1)
    meant = f"did you mean '{close[0]}'?" if close else ""
    there = " ".join(filter(None, (meant, otherwise))) or f"there are: {_some(known)}"
    return click.UsageError(f"no node '{name}' in {where}; {there}")


def chosen_nodes(plan: Plan, names: Collection[str]) -> tuple[NodePlan, ...]:
    """The nodes of these names, or all; raises a UsageError for a name that the spec has not."""
    require_nodes(names, plan.by_name, "the spec")
    return tuple(node for node in plan.nodes if not names or node.name in names)


def _some(names: Collection[str]) -> str:
    more = len(names) - LISTED_NODES
    return ", ".join(list(names)[:LISTED_NODES]) + (f" and {more} more" if more > 0 else "")


def identity_problems(inputs: Inputs, source: SecretsSource) -> Problems:
    """Where the spec contradicts what is recorded of the cluster."""
    secrets = source.secrets
    recorded = inputs.problems(
        (
            *contradictions(inputs.spec, secrets.identity),
            *version_findings(inputs.spec, secrets.kubernetes),
        )
    )
    return Problems.of((*owner_problems(inputs, source), *recorded))


def now() -> datetime:
    """The time, in whole seconds; SOURCE_DATE_EPOCH replaces the clock (reproducible-builds.org)."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return datetime.now(UTC).replace(microsecond=0)
    # The length first: int() refuses thousands of digits.
    if EPOCH.fullmatch(epoch) is None or len(epoch) > len(str(LAST_EPOCH)):
        raise click.UsageError(_epoch_fault(epoch))
    if int(epoch) > LAST_EPOCH:
        raise click.UsageError(_epoch_fault(epoch))
    return datetime.fromtimestamp(int(epoch), UTC)


def _epoch_fault(epoch: str) -> str:
    shown = epoch if len(epoch) <= SHOWN_EPOCH else f"{epoch[:SHOWN_EPOCH]}..."
    return (
        f"SOURCE_DATE_EPOCH is {shown!r}, not a number of seconds since 1970 from 0 to"
        f" {LAST_EPOCH} (the end of {LAST_YEAR}); unset it, or try $(date +%s)"
    )
