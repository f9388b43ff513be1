"""`khgen export`: what was rendered, in the form that a platform takes."""

from pathlib import Path

import click

from khgen.cli.options import output_option, rendered_argument
from khgen.cli.outcome import Report, wrote
from khgen.cli.output_folder import read_manifest, read_nodes, refuse_overlap
from khgen.disk.export_folder import ExportFolder, replace_files
from khgen.export.platforms import PLATFORMS
from khgen.export.rendered_machines import Refusal
from khgen.problems import Place, Problem, Problems


@click.command(name="export")
@click.argument("platform", metavar="FORMAT", type=click.Choice(list(PLATFORMS)))
@rendered_argument
@output_option("Output folder; default: the FORMAT.")
def export(platform: str, out: Path, output: Path | None) -> None:
    """Write the nodes in OUT in the form that a platform takes.

    OUT is a folder that `khgen render` wrote.

    FORMAT is terraform (OpenTofu too), libvirt, proxmox, incus or aws. All files but scripts hold
    private keys, and only you can read them.
    """
    run_export(platform, out, output or Path(platform))


def run_export(name: str, out: Path, output: Path) -> None:
    """Read what was rendered, write the platform's files, and tell what comes next."""
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
