"""What `khgen seed` and `khgen export` read: an output folder of `khgen render`."""

from difflib import get_close_matches
from pathlib import Path

import click

from khgen.cli.outcome import Report
from khgen.cli.summary import LISTED_NODES
from khgen.disk.rendered_output import RenderedManifest, load_manifest, load_nodes
from khgen.disk.staging import MANIFEST
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
    for name in names:
        if name not in known:
            raise click.UsageError(_unknown(name, known, out))
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
        message = f"{target} and {out} are one inside the other: name another folder with -o"
        raise click.UsageError(message)


def _unknown(name: str, known: list[str], out: Path) -> str:
    close = get_close_matches(name, known, n=1)
    there = f"did you mean '{close[0]}'?" if close else f"there are: {_some(known)}"
    return f"no node '{name}' in {out / MANIFEST}; {there}"


def _some(names: list[str]) -> str:
    more = len(names) - LISTED_NODES
    return ", ".join(names[:LISTED_NODES]) + (f" and {more} more" if more > 0 else "")
