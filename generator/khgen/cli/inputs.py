"""What the commands read: the spec with its manifests, and the secrets file beside it."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from khgen.cli.outcome import Report
from khgen.pki.continuity import founding_findings
from khgen.pki.secrets import Secrets
from khgen.problems import Finding, Problems
from khgen.secrets_file import STANDARD_INPUT, default_secrets_path, load, load_or_create
from khgen.spec.load import Loaded, load_spec
from khgen.spec.model import ClusterSpec
from khgen.spec_file import read_manifests, read_spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """A spec that passed its checks, with what it was read from."""

    path: Path
    loaded: Loaded
    spec: ClusterSpec
    manifests: Mapping[str, bytes]

    def problems(self, findings: Iterable[Finding]) -> Problems:
        """Findings of later stages, each with its place in the spec."""
        return Problems.of(map(self.loaded.problem, findings))


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsSource:
    """The secrets, and where they are kept; `created` if this run made them."""

    secrets: Secrets
    path: Path
    created: bool


def read_inputs(path: Path, report: Report) -> Inputs:
    """The spec at that path with its manifests; ends the command if there are errors."""
    text = read_spec(path)
    loaded = load_spec(text, str(path))
    report.add(loaded.problems, {str(path): text})
    report.stop_if_fatal()
    assert loaded.spec is not None, "a spec without errors is a spec"  # noqa: S101
    manifests, missing = read_manifests(loaded.spec, path.parent)
    report.add(Problems.of(map(loaded.problem, missing)), {})
    report.stop_if_fatal()
    return Inputs(path=path, loaded=loaded, spec=loaded.spec, manifests=manifests)


def read_secrets(
    inputs: Inputs, named: str | None, report: Report, *, create: bool, must_exist: bool = False
) -> SecretsSource:
    """The secrets of this cluster; where there are none, new ones, written if `create`."""
    path = Path(named) if named else default_secrets_path(inputs.path, inputs.spec)
    if not must_exist and path != STANDARD_INPUT and not os.path.lexists(path):
        report.add(inputs.problems(founding_findings(inputs.spec)), {})
        report.stop_if_fatal()  # While no founders are recorded.
    if must_exist:
        loaded = load(path, inputs.spec.metadata.name, now=now())
    else:
        loaded = load_or_create(path, inputs.spec, now=now(), random_bytes=os.urandom, write=create)
    report.add(loaded.problems, {})
    report.stop_if_fatal()
    assert loaded.secrets is not None, "secrets without errors are secrets"  # noqa: S101
    return SecretsSource(secrets=loaded.secrets, path=path, created=loaded.created)


def now() -> datetime:
    """The time, in whole seconds; SOURCE_DATE_EPOCH replaces the clock (reproducible-builds.org)."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return datetime.now(UTC).replace(microsecond=0)
    if not epoch.isdecimal():
        message = f"SOURCE_DATE_EPOCH is '{epoch}', not a number of seconds since 1970"
        raise click.UsageError(message)
    return datetime.fromtimestamp(int(epoch), UTC)
