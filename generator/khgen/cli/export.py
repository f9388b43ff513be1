"""`khgen export`: what was rendered, in the form that a platform takes."""

from pathlib import Path

import click

FORMATS = ("terraform", "libvirt", "proxmox", "incus", "aws")


@click.command(name="export")
@click.argument("platform", metavar="FORMAT", type=click.Choice(FORMATS))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Output folder; default: the FORMAT."
)
def export(platform: str, out: Path, output: Path | None) -> None:
    """Write the nodes in OUT in the form that a platform takes.

    OUT is a folder that `khgen render` wrote.

    FORMAT is terraform (OpenTofu too), libvirt, proxmox, incus or aws. All files but scripts hold
    private keys, and only you can read them.
    """
    from khgen.cli.exporting import run_export

    run_export(platform, out, output or Path(platform))
