"""What the commands read: the spec with its manifests, and the secrets file beside it."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from khgen.cli.outcome import stop_for
from khgen.pki.secrets import Secrets
from khgen.problems import Finding, Problem, Problems
from khgen.spec.load import Loaded, load_spec
from khgen.spec.model import ClusterSpec
from khgen.spec_file import read_manifests, read_spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """A spec that passed its checks, with what it was read from."""

    path: Path
    text: str
    loaded: Loaded
    spec: ClusterSpec
    manifests: Mapping[str, bytes]
    warnings: tuple[Problem, ...]

    @property
    def sources(self) -> dict[str, str]:
        """The texts that problems quote, by file."""
        return {str(self.path): self.text}

    def problems(self, findings: tuple[Finding, ...]) -> Problems:
        """Findings of later stages as problems with places, together with the spec's warnings."""
        return Problems.of((*self.warnings, *map(self.loaded.problem, findings)))


def read_inputs(path: Path, *, strict: bool, output_format: str) -> Inputs:
    """The spec at that path; ends the command if it has errors (or, strictly, warnings)."""
    text = read_spec(path)
    loaded = load_spec(text, str(path))
    if loaded.spec is None or loaded.problems.errors or (strict and loaded.problems):
        stop_for(loaded.problems, {str(path): text}, output_format)
    manifests, missing = read_manifests(loaded.spec, path.parent)
    if missing:
        problems = Problems.of((*loaded.problems, *map(loaded.problem, missing)))
        stop_for(problems, {str(path): text}, output_format)
    return Inputs(
        path=path,
        text=text,
        loaded=loaded,
        spec=loaded.spec,
        manifests=manifests,
        warnings=tuple(loaded.problems),
    )


def now() -> datetime:
    """The time, in whole seconds; SOURCE_DATE_EPOCH replaces the clock (reproducible-builds.org)."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is not None:
        return datetime.fromtimestamp(int(epoch), UTC)
    return datetime.now(UTC).replace(microsecond=0)


def default_secrets_path(spec: Path) -> Path:
    """Where the secrets file is unless it is named: beside the spec, cluster.secrets.yaml."""
    return spec.with_name(f"{spec.stem}.secrets.yaml")


def secrets_from_standard_input() -> str:
    """The secrets file's text from a pipe, as `sops -d` writes it."""
    return sys.stdin.read()


__all__ = ["Inputs", "Secrets", "default_secrets_path", "now", "read_inputs"]
