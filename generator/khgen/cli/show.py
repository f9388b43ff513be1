"""`khgen show`: what one machine is given, read back from an output folder."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from khgen.export.rendered_machines import ExportNode, PlacedFile


@click.command()
@click.argument("node")
@click.argument("path", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("out"),
    show_default=True,
    help="Folder of the last render; it is only read.",
)
@click.option(
    "--write", type=click.Path(path_type=Path), help="New folder for all of the node's files."
)
def show(node: str, path: str | None, output: Path, write: Path | None) -> None:
    """List the files that NODE is given, or print the one at PATH.

    PATH is a path on the node, or user-data, meta-data or network-config. Every file is first held
    against its digest in the manifest. Files may hold private keys.
    """
    from khgen.cli.outcome import Report, wrote
    from khgen.cli.rendered import read_manifest, read_nodes, refuse_overlap
    from khgen.disk.rendered_output import load_files

    if path is not None and write is not None:
        message = "PATH and --write exclude each other: --write writes every file"
        raise click.UsageError(message)
    if write is not None:
        refuse_overlap(output, write)
    manifest = read_manifest(output)
    (machine,) = read_nodes(output, manifest, (node,)).nodes
    report = Report()
    files, problems = load_files(output, manifest, machine)
    report.add(problems, {})
    report.stop_if_fatal()
    every = {**_given(machine), **files}
    if write is not None:
        _write(every, write)
        wrote(write)
        click.echo(f"wrote {len(every)} files of {node} into {write}/: they may hold private keys")
    elif path is not None:
        _print(every, path, node)
    else:
        click.echo("\n".join(_listing(every)))


def _given(machine: "ExportNode") -> Mapping[str, "PlacedFile"]:
    """What cloud-init itself reads, with the user-data as plain text."""
    from khgen.export.rendered_machines import META_DATA, NETWORK_CONFIG, USER_DATA, PlacedFile

    contents = {USER_DATA: machine.plain_user_data, META_DATA: machine.meta_data}
    if machine.network_config is not None:
        contents[NETWORK_CONFIG] = machine.network_config
    return {name: PlacedFile(content=text, mode=0o600) for name, text in contents.items()}


def _listing(files: Mapping[str, "PlacedFile"]) -> list[str]:
    width = max(len(f"{len(file.content):,}") for file in files.values())
    return [
        f"{file.mode:04o}  {len(file.content):>{width},}  {path}" for path, file in files.items()
    ]


def _print(files: Mapping[str, "PlacedFile"], path: str, node: str) -> None:
    if path not in files:
        message = f"{node} has no file {path!r}: `khgen show {node}` lists its files"
        raise click.UsageError(message)
    sys.stdout.flush()
    sys.stdout.buffer.write(files[path].content)
    sys.stdout.buffer.flush()


def _write(files: Mapping[str, "PlacedFile"], folder: Path) -> None:
    """Write the files where nobody else can read them; the folder must be new."""
    from khgen.disk.staging import closed_umask

    with closed_umask():
        folder.mkdir(parents=True)
        for path, file in files.items():
            target = folder / path if not path.startswith("/") else Path(f"{folder}/rootfs{path}")
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(file.content)
