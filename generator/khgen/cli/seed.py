"""`khgen seed`: what each machine boots from, of what was rendered."""

from pathlib import Path

import click


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--node", "names", multiple=True, help="Make only this node's seed; repeatable.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("seeds"),
    show_default=True,
    help="Output folder; the seeds in it are replaced.",
)
@click.option(
    "--format",
    "seed_format",
    type=click.Choice(["iso", "dir"]),
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
    from khgen.cli.outcome import wrote
    from khgen.cli.rendered import read_manifest, read_nodes, refuse_overlap
    from khgen.disk.export_folder import ExportFolder
    from khgen.export.seeds import SeedFormat, seed_files

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
