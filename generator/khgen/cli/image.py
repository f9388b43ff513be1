"""`khgen image`: golden images, baked by Packer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from khgen.cli.outcome import format_option

BUILDERS = ("qemu", "amazon-ebs", "openstack")
ACCELERATORS = ("auto", "kvm", "hvf", "tcg")

Command = Callable[..., Any]


def _shared_options(command: Command) -> Command:
    """What says how an image is baked, for both commands that run Packer."""
    options = (
        click.option(
            "--builder", type=click.Choice(BUILDERS), default="qemu", show_default=True,
            help="What bakes the image.",
        ),
        click.option(
            "--var", "settings", multiple=True, metavar="NAME=VALUE",
            help="Set a variable of packer/variables.pkr.hcl; repeatable.",
        ),
        click.option(
            "--accelerator", type=click.Choice(ACCELERATORS), default="auto", show_default=True,
            help="QEMU's accelerator; auto: KVM where it works.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def image() -> None:
    """Bake golden images with Packer.

    An image holds everything that is the same on every node."""


@image.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("images"), show_default=True,
    help="Folder for the image and its manifest.",
)  # fmt: skip
@_shared_options
@format_option
def build(
    *,
    spec: Path,
    output: Path,
    builder: str,
    settings: tuple[str, ...],
    accelerator: str,
) -> None:
    """Bake the image that the spec's `image` section describes.

    Packer's output is printed as it comes. A bake that fails leaves nothing.
    """
    from khgen.cli.baking import BakeRequest, run_build

    request = BakeRequest(spec=spec, builder=builder, settings=settings, accelerator=accelerator)
    run_build(request, output)


@image.command()
@click.argument("spec", type=click.Path(path_type=Path))
@_shared_options
def validate(*, spec: Path, builder: str, settings: tuple[str, ...], accelerator: str) -> None:
    """Check Packer's templates with SPEC's variables.

    This needs no hypervisor."""
    from khgen.cli.baking import BakeRequest, run_validate

    request = BakeRequest(spec=spec, builder=builder, settings=settings, accelerator=accelerator)
    run_validate(request)


@image.command("list")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("images"))
@format_option
def list_images(folder: Path) -> None:
    """List the images in FOLDER and check their digests."""
    from khgen.cli.baking import run_list

    run_list(folder)
