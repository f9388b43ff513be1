"""The commands that render a cluster and use what was rendered: arguments, options and help.

A command's work is in another module, which it imports when it runs. So `--help` loads no library
but click.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.decorators import FC

from khgen.cli.options import (
    PATH,
    READ_SECRETS,
    format_option,
    kubeconfig_option,
    node_option,
    output_option,
    rendered_argument,
    secrets_option,
    spec_argument,
)

if TYPE_CHECKING:
    from typing import Unpack

    from khgen.cli.rehearse_command import RehearsalRequest

EXAMPLE = "rocky-stacked-ha"
FOLDER_OF_IMAGES = Path("images")
BUILDERS = ("qemu", "amazon-ebs", "openstack")
ACCELERATORS = ("auto", "kvm", "hvf", "tcg")
PLATFORMS = ("terraform", "libvirt", "proxmox", "incus", "aws")
SEED_FORMATS = ("iso", "dir")


@click.command()
@click.argument("example", required=False, default=EXAMPLE)
@output_option("File to create; default: cluster.yaml.")
@click.option("--list", "list_only", is_flag=True, help="Only list the examples.")
def init(example: str, output: Path | None, *, list_only: bool) -> None:
    """Write a commented cluster.yaml to start from."""
    from khgen.cli.init_command import list_examples, write_example

    if list_only:
        list_examples()
    else:
        write_example(example, output or Path("cluster.yaml"))


@click.command()
@click.option("--markdown", is_flag=True, help="Print the reference of all keys instead.")
@click.option("--changes", is_flag=True, help="Print what a change of each key means instead.")
def schema(*, markdown: bool, changes: bool) -> None:
    """Print the JSON Schema of cluster.yaml, for editors."""
    from khgen.changes.file_rules import changes_text
    from khgen.spec.schema import reference_text, schema_text

    if changes:
        click.echo(changes_text(), nl=False)
    else:
        click.echo(reference_text() if markdown else schema_text(), nl=False)


@click.command()
@spec_argument
@output_option("Folder of the last render; diff only reads it.", "out")
@secrets_option(READ_SECRETS)
@node_option("Compare only this node; repeatable.")
@click.option("-p", "--patch", is_flag=True, help="Show changed lines, except of private files.")
@format_option
def diff(
    spec: Path, output: Path, named: str | None, names: tuple[str, ...], *, patch: bool
) -> None:
    """Show what a render would change, and write nothing.

    Each change has an effect on a running cluster: nothing, new machine, reload, restart, drain,
    replace, not possible. Exit code 0: nothing changes, 2: something changes; docs/commands.md
    lists the others.
    """
    from khgen.cli.diff_command import print_changes

    print_changes(spec, output, named, names, patch=patch)


@click.group()
def upgrade() -> None:
    """Upgrade a running cluster to another version of Kubernetes."""


@upgrade.command("plan")
@spec_argument
@click.option("--to", "wanted", metavar="X.Y.Z", help="Version wanted; default: the spec's.")
@output_option("Output folder that the printed commands name.", "out")
@secrets_option(READ_SECRETS)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Ask the cluster's nodes for their version.",
)
@format_option
def plan_upgrade(
    spec: Path, output: Path, wanted: str | None, named: str | None, kubeconfig: Path | None
) -> None:
    """Print the way to another version of Kubernetes, minor by minor.

    The way begins at the version that the secrets file records for the last render, or with
    --kubeconfig at the oldest control plane. Each step lists what to change in cluster.yaml, the
    images and programs that it needs, and what to run. Nothing is written or changed.

    Exit code 1: the spec uses something that a minor on the way does not have, or a node's kubelet
    is too old for the first step.
    """
    from khgen.cli.upgrade_command import UpgradeRequest, print_upgrade_plan

    request = UpgradeRequest(
        spec=spec, output=output, wanted=wanted, named=named, kubeconfig=kubeconfig
    )
    print_upgrade_plan(request)


@click.command()
@spec_argument
@output_option("Output folder; existing contents are replaced.", "out")
@secrets_option(READ_SECRETS)
@node_option("Render only this node; repeatable.")
@click.option("--rootfs", is_flag=True, help="Also write every file of each node, to read.")
@click.option("--check", is_flag=True, help="Check everything and write nothing.")
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@format_option
def render(  # noqa: PLR0913 - one for each option
    spec: Path,
    output: Path,
    named: str | None,
    names: tuple[str, ...],
    *,
    rootfs: bool,
    check: bool,
    strict: bool,
) -> None:
    """Render the files of all nodes into a folder.

    The folder gets each node's user-data and the operator's kubeconfig. A second render writes only
    what changed. `khgen show` lists and prints the files of a node.

    The secrets file beside the spec is created at the first render and never replaced.
    """
    from khgen.cli.render_command import RenderRequest, render_cluster

    request = RenderRequest(
        spec=spec,
        output=output,
        rootfs=rootfs,
        check=check,
        named=named,
        names=names,
        strict=strict,
    )
    render_cluster(request)


@click.command()
@output_option("Folder of the last render; status only reads it.", "out")
@kubeconfig_option("Your kubeconfig; default: admin.conf of that folder, else KUBECONFIG.")
@click.option("--watch", is_flag=True, help="Show it until all is as rendered.")
@format_option
def status(output: Path, kubeconfig: Path | None, *, watch: bool) -> None:
    """Show whether the cluster is as rendered.

    It reads Nodes, API servers and the order of updates with your kubectl, and changes nothing.
    Exit code 0: all is as rendered, 2: something differs or is under way; docs/commands.md lists
    the others.
    """
    from khgen.cli.status_command import print_status

    print_status(output, kubeconfig, watch=watch)


@click.command()
@click.argument("node")
@click.argument("path", required=False)
@output_option("Folder of the last render; show only reads it.", "out")
@click.option("--write", type=PATH, help="Write all of the node's files into this folder.")
def show(node: str, path: str | None, output: Path, write: Path | None) -> None:
    """List or print the files that a node is given.

    Without PATH, it prints a line for each file of NODE: mode, bytes, path. PATH is a path on the
    node, or user-data, meta-data, network-config or update/bundle.json. khgen first checks every file against its
    digest in manifest.json. Files may hold private keys.
    """
    from khgen.cli.rendered_commands import show_files

    if path is not None and write is not None:
        message = "PATH and --write exclude each other: --write writes every file"
        raise click.UsageError(message)
    show_files(node, path, output, write)


@click.command()
@rendered_argument
@node_option("Make only this node's seed; repeatable.")
@output_option("Output folder; the seeds in it are replaced. Default: seeds, or update-seeds.")
@click.option(
    "--format",
    "seed_format",
    type=click.Choice(SEED_FORMATS),
    default="iso",
    show_default=True,
    help="An image for each node, or a folder.",
)
@click.option(
    "--update", is_flag=True, help="Make seeds that update machines that run; default: first boots."
)
def seed(
    out: Path, names: tuple[str, ...], output: Path | None, seed_format: str, *, update: bool
) -> None:
    """Make a NoCloud seed for each node in OUT.

    OUT is a folder that `khgen render` wrote. A seed holds a machine's user-data, meta-data and
    network-config, and is attached to it as a disk. khgen first checks every file against its digest in
    OUT/manifest.json. Seeds hold private keys.

    With --update, a seed brings only the node's update. A machine that has joined takes it at its next
    boot with that seed.
    """
    from khgen.cli.rendered_commands import write_seeds

    output = output or Path("update-seeds" if update else "seeds")
    write_seeds(out, names, output, seed_format, update=update)


@click.command()
@click.argument("platform", metavar="FORMAT", type=click.Choice(PLATFORMS))
@rendered_argument
@output_option("Output folder; default: the FORMAT.")
def export(platform: str, out: Path, output: Path | None) -> None:
    """Write the nodes in OUT in the form that a platform takes.

    OUT is a folder that `khgen render` wrote.

    FORMAT is terraform (OpenTofu too), libvirt, proxmox, incus or aws. All files but scripts hold
    private keys, and only you can read them.
    """
    from khgen.cli.rendered_commands import write_export

    write_export(platform, out, output or Path(platform))


@click.group()
def image() -> None:
    """Bake golden images with Packer.

    An image holds everything that is the same on every node.
    """


def _bake_options(command: FC) -> FC:
    """How an image is baked, for both commands that run Packer."""
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


@image.command("build")
@spec_argument
@output_option("Folder for the image and its manifest.", str(FOLDER_OF_IMAGES))
@_bake_options
@format_option
def build_image(
    spec: Path, output: Path, builder: str, settings: tuple[str, ...], accelerator: str
) -> None:
    """Bake the image that the spec's `image` section describes.

    khgen prints Packer's output as it comes. If the bake fails, khgen removes its files.
    """
    from khgen.cli import image_command

    image_command.build_image(spec, output, builder, settings, accelerator)


@image.command("validate")
@spec_argument
@_bake_options
def validate_image(spec: Path, builder: str, settings: tuple[str, ...], accelerator: str) -> None:
    """Let Packer check the templates with this spec's variables.

    It needs no hypervisor.
    """
    from khgen.cli import image_command

    image_command.validate_image(spec, builder, settings, accelerator)


@image.command("list")
@click.argument("folder", type=PATH, default=FOLDER_OF_IMAGES)
@format_option
def list_images(folder: Path) -> None:
    """List the images in FOLDER and check their digests."""
    from khgen.cli import image_command

    # Before the first bake, the default folder is not there.
    image_command.list_images(folder, must_exist=folder != FOLDER_OF_IMAGES)


@click.command()
@spec_argument
@secrets_option("Secrets file; only its list of founders is used.")
@node_option("Boot only this node; repeatable.")
@click.option(
    "--timeout",
    type=float,
    default=600,
    show_default=True,
    help="Seconds until all nodes must be done.",
)
@click.option("--keep", is_flag=True, help="Keep the hosts until ^C when all is done.")
@click.option(
    "--rootfs",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Root directory of the hosts; default: a cached Debian.",
)
@click.option(
    "--kube-bin",
    "programs",
    envvar="KHGEN_KUBE_BIN",
    show_envvar=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with kubeadm, kubelet, kubectl and the kube-* programs.",
)
@click.option(
    "--update", type=PATH, help="Then update the hosts to this spec, and count failed requests."
)
@click.option(
    "--update-kube-bin",
    "update_programs",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with the programs of the update's Kubernetes version.",
)
@click.option(
    "--cpus",
    type=click.FloatRange(min=0.01),
    help="Most processors for each host, like 0.66; default: all.",
)
@click.option("--consoles", type=PATH, help="Folder for the console logs.")
def rehearse(
    *,
    spec: Path,
    named: str | None,
    names: tuple[str, ...],
    **request: "Unpack[RehearsalRequest]",
) -> None:
    """Boot the rendered nodes as local hosts (Linux, as root).

    With --update, the running hosts then get the files of another spec, for instance with another
    Kubernetes version, while a client sends requests to the API.

    The hosts are systemd-nspawn containers with their own network and new keys. When khgen ends, it
    removes them.
    """
    from khgen.cli.rehearse_command import rehearse_cluster

    rehearse_cluster(spec, named, names, request)
