"""What the commands read: a spec with its manifests, an output folder, node names and the clock."""

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

import click

from khgen.cli.outcome import LISTED_NODES, Exit, Report
from khgen.disk.manifest import MANIFEST, RenderedManifest
from khgen.disk.owned_folder import ELSEWHERE, first_inside
from khgen.disk.rendered_output import load_manifest, load_nodes
from khgen.disk.spec_file import (
    SpecFile,
    find_spec,
    read_manifests,
    read_repository_keys,
    read_spec,
)
from khgen.export.rendered_machines import ExportCluster
from khgen.plan.cluster_plan import NodePlan, Plan
from khgen.problems import Finding, Problems
from khgen.spec.addon_manifests import network_problems, read_manifest
from khgen.spec.check.downloads import first_use
from khgen.spec.load import Loaded, load_spec
from khgen.spec.model import ClusterSpec

EPOCH = re.compile("[0-9]+")
LAST_YEAR = 9899
LAST_EPOCH = int(datetime(LAST_YEAR, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
"""A certificate ends in 9999 at the latest (RFC 5280, 4.1.2.5), and is valid for at most 100 years."""
SHOWN_EPOCH = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """A spec that passed its checks, with its file and its manifests."""

    file: SpecFile
    loaded: Loaded
    spec: ClusterSpec
    manifests: Mapping[str, bytes]

    def problems(self, findings: Iterable[Finding]) -> Problems:
        """Findings of later stages, each with its place in the spec."""
        return Problems.of(map(self.loaded.problem, findings))


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
    """The spec's file and its text; ends the command if there is no such file."""
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


def require_nodes(names: Iterable[str], known: Collection[str], where: str) -> None:
    """Raise a UsageError for a name that is not known."""
    for name in names:
        if name not in known:
            raise no_such_node(name, known, where)


def no_such_node(
    name: str, known: Collection[str], where: str, otherwise: str = ""
) -> click.UsageError:
    """The error for a name that no node has; it suggests a close name, or another way."""
    close = get_close_matches(name, known, n=1)
    meant = f"did you mean '{close[0]}'?" if close else ""
    there = " ".join(filter(None, (meant, otherwise))) or f"there are: {_some(known)}"
    return click.UsageError(f"no node '{name}' in {where}; {there}")


def chosen_nodes(plan: Plan, names: Collection[str]) -> tuple[NodePlan, ...]:
    """The nodes of these names, or all; raises a UsageError for a name that is not in the spec."""
    require_nodes(names, plan.by_name, "the spec")
    return tuple(node for node in plan.nodes if not names or node.name in names)


def _some(names: Collection[str]) -> str:
    more = len(names) - LISTED_NODES
    return ", ".join(list(names)[:LISTED_NODES]) + (f" and {more} more" if more > 0 else "")


def now() -> datetime:
    """The time, in whole seconds; SOURCE_DATE_EPOCH replaces the clock (reproducible-builds.org)."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return datetime.now(UTC).replace(microsecond=0)
    # The length is checked first, because int() refuses thousands of digits.
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


def rendered_manifest(out: Path) -> RenderedManifest:
    """The output folder's manifest; ends the command if it is damaged."""
    report = Report()
    loaded = load_manifest(out)
    report.add(loaded.problems, {str(out / MANIFEST): loaded.text})
    report.stop_if_fatal()
    assert loaded.manifest is not None, "a manifest without errors is a manifest"  # noqa: S101
    return loaded.manifest


def read_nodes(out: Path, manifest: RenderedManifest, names: tuple[str, ...]) -> ExportCluster:
    """The named nodes, or all; ends the command if a file is not as it was rendered."""
    known = list(manifest.nodes)
    require_nodes(names, known, str(out / MANIFEST))
    report = Report()
    wanted = tuple(name for name in known if not names or name in names)
    cluster, problems = load_nodes(out, manifest, wanted)
    report.add(problems, {})
    report.stop_if_fatal()
    return cluster


def refuse_overlap(out: Path, target: Path, *, beside: bool = False) -> None:
    """Refuse a target in the output folder, which the next render replaces, and one that holds it.

    Files that go `beside` others leave those alone, so their folder may hold the output.
    """
    one, other = out.resolve(), target.resolve()
    if (one.is_relative_to(other) and not beside) or other.is_relative_to(one):
        message = f"{target} and {out} are one inside the other: {ELSEWHERE}"
        raise click.UsageError(message)
    if not beside:
        refuse_inside(target, ())


def refuse_inside(output: Path, inputs: Iterable[Path]) -> None:
    """Refuse an output folder that holds an input or the working directory: it is replaced."""
    held = first_inside(output, inputs)
    if held is not None:
        what = f"{held} would be inside the output folder {output}, whose content is replaced"
    elif first_inside(output, (Path.cwd(),)) is not None:
        what = f"{output} holds the working directory, and its content is replaced"
    else:
        return
    message = f"{what}: {ELSEWHERE}"
    raise click.UsageError(message)
