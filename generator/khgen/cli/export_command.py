"""`khgen export` and `khgen seed`: the rendered nodes in the form that a platform or cloud-init takes."""

from dataclasses import replace
from pathlib import Path

import click

from khgen.cli.outcome import Report, wrote
from khgen.cli.output_folder import read_manifest, read_nodes, refuse_overlap
from khgen.disk.export_folder import ExportFolder, replace_files
from khgen.disk.manifest import MANIFEST
from khgen.export.platforms import PLATFORMS
from khgen.export.rendered_machines import ExportCluster, Refusal
from khgen.export.seeds import SeedFormat, seed_files, update_seed
from khgen.problems import Place, Problem, Problems

_NEXT = {
    "iso": "attach {output}/<name>.iso to each machine as a disk, then boot them in any order",
    "dir": "put the files of {output}/<name>/ into /var/lib/cloud/seed/nocloud/ of each machine,\n"
    "or serve the folder and boot with ds=nocloud-net;s=http://…/<name>/",
}
_NEXT_UPDATE = {
    "iso": "attach {output}/<name>.iso to a machine in place of its seed, and reboot it;\n"
    "nodes take their turn by themselves, so all may be rebooted in any order, one after the other",
    "dir": "put the files of {output}/<name>/ in place of the machine's seed and reboot it,\n"
    "one machine after the other",
}


def write_seeds(
    out: Path, names: tuple[str, ...], output: Path, seed_format: str, *, update: bool
) -> None:
    """Write a seed for each of these nodes, or for all, and print the next step."""
    refuse_overlap(out, output)
    manifest = read_manifest(out)
    cluster = read_nodes(out, manifest, names)
    if update:
        cluster = _updates(out, cluster)
    name = "update-seeds" if update else "seeds"
    folder = ExportFolder(path=output, name=name, cluster=cluster.name)
    keep = manifest.nodes.keys() - {node.name for node in cluster.nodes}
    folder.publish(seed_files(cluster, SeedFormat(seed_format)), frozenset(keep))
    wrote(output)
    count = f"{len(cluster.nodes)} {'update ' if update else ''}seed"
    count += "" if len(cluster.nodes) == 1 else "s"
    click.echo(f"wrote {count} of {cluster.name} into {output}/: they hold private keys")
    following = _NEXT_UPDATE if update else _NEXT
    click.echo(f"next: {following[SeedFormat(seed_format)].format(output=output)}")


def _updates(out: Path, cluster: ExportCluster) -> ExportCluster:
    """The cluster's nodes with seeds that bring their updates; ends the command where one has none."""
    report = Report()
    report.add(
        Problems.of(
            Problem(
                message=f"'{node.name}' has no update: an older khgen rendered it",
                place=Place(file=str(out / MANIFEST), line=1, column=1),
                hint=f"render again: khgen render cluster.yaml -o {out}",
            )
            for node in cluster.nodes
            if not node.update
        ),
        {},
    )
    report.stop_if_fatal()
    return replace(cluster, nodes=tuple(map(update_seed, cluster.nodes)))


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
