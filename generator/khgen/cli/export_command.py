"""`khgen export` and `khgen seed`: the rendered nodes in the form that a platform or cloud-init takes."""

from pathlib import Path

import click

from khgen.cli.outcome import Report, wrote
from khgen.cli.output_folder import read_manifest, read_nodes, refuse_overlap
from khgen.disk.export_folder import ExportFolder, replace_files
from khgen.export.platforms import PLATFORMS
from khgen.export.rendered_machines import Refusal
from khgen.export.seeds import SeedFormat, seed_files
from khgen.problems import Place, Problem, Problems

_NEXT = {
    "iso": "attach {output}/<name>.iso to each machine as a disk, then boot them in any order",
    "dir": "put the files of {output}/<name>/ into /var/lib/cloud/seed/nocloud/ of each machine,\n"
    "or serve the folder and boot with ds=nocloud-net;s=http://…/<name>/",
}


def write_seeds(out: Path, names: tuple[str, ...], output: Path, seed_format: str) -> None:
    """Write a seed for each of these nodes, or for all, and print the next step."""
    refuse_overlap(out, output)
    manifest = read_manifest(out)
    cluster = read_nodes(out, manifest, names)
    folder = ExportFolder(path=output, name="seeds", cluster=cluster.name)
    keep = manifest.nodes.keys() - {node.name for node in cluster.nodes}
    folder.publish(seed_files(cluster, SeedFormat(seed_format)), frozenset(keep))
    wrote(output)
    count = f"{len(cluster.nodes)} seed{'' if len(cluster.nodes) == 1 else 's'}"
    click.echo(f"wrote {count} of {cluster.name} into {output}/: they hold private keys")
    click.echo(f"next: {_NEXT[SeedFormat(seed_format)].format(output=output)}")


def write_export(name: str, out: Path, output: Path) -> None:
    """Read what was rendered, write the platform's files, and print the next step."""
    platform = PLATFORMS[name]
    refuse_overlap(out, output, beside=platform.beside)
    cluster = read_nodes(out, read_manifest(out), ())
    export = platform.export(cluster)
    report = Report()
    report.add(Problems.of(_problem(out, refusal) for refusal in export.refusals), {})
    report.stop_if_fatal()
    if platform.beside:
        replace_files(output, export.files)
    else:
        folder = ExportFolder(path=output, name=name, cluster=cluster.name)
        folder.publish(export.files)
    wrote(output)
    click.echo(f"wrote {cluster.name} for {name} into {output}/: it holds private keys")
    click.echo(f"next: {platform.next.format(output=output)}")


def _problem(out: Path, refusal: Refusal) -> Problem:
    place = Place(file=str(out / "nodes" / refusal.node / "user-data"), line=1, column=1)
    return Problem(message=refusal.message, place=place, hint=refusal.hint)
