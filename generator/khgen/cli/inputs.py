"""What the commands read: the spec with its manifests, and the secrets file beside it."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from khgen.cli.outcome import Report
from khgen.disk.secrets_file import default_secrets_path, load, load_or_make
from khgen.disk.spec_file import read_manifests, read_repository_keys, read_spec
from khgen.pki.identity import contradictions, version_findings
from khgen.pki.secrets import Secrets
from khgen.problems import Finding, Problems
from khgen.spec.check.signing_keys import first_use
from khgen.spec.load import Loaded, load_spec
from khgen.spec.manifest_text import read_manifest
from khgen.spec.model import ClusterSpec
from khgen.spec.pod_network import network_problems


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
    """The secrets, and where they are kept; `fresh` if this run made them."""

    secrets: Secrets
    path: Path
    fresh: bool


def read_inputs(path: Path, report: Report) -> Inputs:
    """The spec at that path with its manifests; ends the command if there are errors."""
    text = read_spec(path)
    loaded = load_spec(text, str(path))
    report.add(loaded.problems, {str(path): text})
    report.stop_if_fatal()
    assert loaded.spec is not None, "a spec without errors is a spec"  # noqa: S101
    manifests, missing = read_manifests(loaded.spec, path.parent)
    spec, unread = read_repository_keys(loaded.spec, path.parent)
    report.add(Problems.of(map(loaded.problem, (*missing, *unread, *first_use(spec)))), {})
    _check_manifests(loaded.spec, manifests, path.parent, report)
    report.stop_if_fatal()
    return Inputs(path=path, loaded=loaded, spec=spec, manifests=manifests)


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
    inputs: Inputs, named: str | None, report: Report, *, must_exist: bool = False
) -> SecretsSource:
    """The secrets of this cluster; where there are none, new ones, which are written nowhere."""
    path = secrets_path(inputs, named)
    if must_exist:
        loaded = load(path, inputs.spec.metadata.name, now=now())
    else:
        loaded = load_or_make(path, inputs.spec, now=now(), random_bytes=os.urandom)
    report.add(loaded.problems, {})
    report.stop_if_fatal()
    assert loaded.secrets is not None, "secrets without errors are secrets"  # noqa: S101
    return SecretsSource(secrets=loaded.secrets, path=path, fresh=loaded.fresh)


def secrets_path(inputs: Inputs, named: str | None) -> Path:
    """Where the secrets file is: as the user named it, or beside the spec."""
    return Path(named) if named else default_secrets_path(inputs.path, inputs.spec)


def identity_problems(inputs: Inputs, secrets: Secrets) -> Problems:
    """Where the spec contradicts what is recorded of the cluster."""
    return inputs.problems(
        (
            *contradictions(inputs.spec, secrets.identity),
            *version_findings(inputs.spec, secrets.kubernetes),
        )
    )


def now() -> datetime:
    """The time, in whole seconds; SOURCE_DATE_EPOCH replaces the clock (reproducible-builds.org)."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return datetime.now(UTC).replace(microsecond=0)
    if not epoch.isdecimal():
        message = f"SOURCE_DATE_EPOCH is '{epoch}', not a number of seconds since 1970"
        raise click.UsageError(message)
    return datetime.fromtimestamp(int(epoch), UTC)
