"""What `khgen seed` and `khgen export` read: an output folder of `khgen render`."""

from collections.abc import Iterable
from pathlib import Path

import click

from khgen.cli.inputs import require_nodes
from khgen.cli.outcome import Report
from khgen.disk.manifest import MANIFEST, RenderedManifest
from khgen.disk.owned_folder import ELSEWHERE, first_inside
from khgen.disk.rendered_output import load_manifest, load_nodes
from khgen.export.rendered_machines import ExportCluster


def read_manifest(out: Path) -> RenderedManifest:
    """The output folder's manifest; ends the command where it is damaged."""
    report = Report()
    loaded = load_manifest(out)
    report.add(loaded.problems, {str(out / MANIFEST): loaded.text})
    report.stop_if_fatal()
    assert loaded.manifest is not None, "a manifest without errors is a manifest"  # noqa: S101
    return loaded.manifest


def read_nodes(out: Path, manifest: RenderedManifest, names: tuple[str, ...]) -> ExportCluster:
    """The named nodes, or all; ends the command where a file is not as it was rendered."""
    known = list(manifest.nodes)
    require_nodes(names, known, str(out / MANIFEST))
    report = Report()
    wanted = tuple(name for name in known if not names or name in names)
    cluster, problems = load_nodes(out, manifest, wanted)
    report.add(problems, {})
    report.stop_if_fatal()
    return cluster


def refuse_overlap(out: Path, target: Path, *, beside: bool = False) -> None:
    """What is rendered is only read, and is replaced whole at the next render.

    Files that go `beside` others leave these alone, so that their folder may hold the output.
    """
    one, other = out.resolve(), target.resolve()
    if (one.is_relative_to(other) and not beside) or other.is_relative_to(one):
        message = f"{target} and {out} are one inside the other: {ELSEWHERE}"
        raise click.UsageError(message)
    if not beside:
        refuse_inside(target, ())


def refuse_inside(output: Path, inputs: Iterable[Path]) -> None:
    """Neither an input nor the working directory may be where the output is replaced whole."""
    held = first_inside(output, inputs)
    if held is not None:
        what = f"{held} would be inside the output folder {output}, whose content is replaced"
    elif first_inside(output, (Path.cwd(),)) is not None:
        what = f"{output} holds the working directory, and its content is replaced"
    else:
        return
    message = f"{what}: {ELSEWHERE}"
    raise click.UsageError(message)
