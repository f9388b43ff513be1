"""`khgen seed`: what each machine boots from, of what was rendered."""

from pathlib import Path

import click

from khgen.cli.options import node_option, output_option, rendered_argument
from khgen.cli.outcome import wrote
from khgen.cli.output_folder import read_manifest, read_nodes, refuse_overlap
from khgen.disk.export_folder import ExportFolder
from khgen.export.seeds import SeedFormat, seed_files


@click.command()
@rendered_argument
@node_option("Make only this node's seed; repeatable.")
@output_option("Output folder; the seeds in it are replaced.", "seeds")
@click.option(
    "--format",
    "seed_format",
    type=click.Choice([form.value for form in SeedFormat]),
    default="iso",
    show_default=True,
    help="An image for each node, or a folder.",
)
def seed(out: Path, names: tuple[str, ...], output: Path, seed_format: str) -> None:
    """Make a NoCloud seed for each node in OUT.

    OUT is a folder that `khgen render` wrote. A seed is attached to a machine as a disk and holds
    its user-data, meta-data and network-config. khgen first checks every file against its digest in
    OUT/manifest.json. Seeds hold private keys.
    """
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


_NEXT = {
    "iso": "attach {output}/<name>.iso to each machine as a disk, then boot them in any order",
    "dir": "put the files of {output}/<name>/ into /var/lib/cloud/seed/nocloud/ of each machine,\n"
    "or serve the folder and boot with ds=nocloud-net;s=http://…/<name>/",
}
