"""`khgen show`: the files that one machine is given, read back from an output folder."""

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from khgen.cli.outcome import Report, wrote
from khgen.cli.output_folder import read_manifest, read_nodes, refuse_overlap
from khgen.disk.export_folder import ExportFolder
from khgen.disk.manifest import UPDATE
from khgen.disk.rendered_output import load_files
from khgen.export.rendered_machines import (
    META_DATA,
    NETWORK_CONFIG,
    USER_DATA,
    ExportFile,
    ExportNode,
    PlacedFile,
)


def show_files(node: str, path: str | None, output: Path, write: Path | None) -> None:
    """List, print (`path`) or write (`write`) what that node is given."""
    if write is not None:
        refuse_overlap(output, write)
    manifest = read_manifest(output)
    cluster = read_nodes(output, manifest, (node,))
    (machine,) = cluster.nodes
    report = Report()
    files, problems = load_files(output, manifest, machine)
    report.add(problems, {})
    report.stop_if_fatal()
    every = {**_given(machine), **files}
    if write is not None:
        _write(every, ExportFolder(path=write, name="files", cluster=cluster.name), node)
    elif path is not None:
        _print(every, path, node)
    else:
        click.echo("\n".join(_listing(every)))


def _given(machine: ExportNode) -> Mapping[str, PlacedFile]:
    """What cloud-init itself reads, with the user-data as plain text, and the node's update."""
    contents = {USER_DATA: machine.plain_user_data, META_DATA: machine.meta_data}
    if machine.network_config is not None:
        contents[NETWORK_CONFIG] = machine.network_config
    contents |= {f"{UPDATE}/{name}": content for name, content in machine.update.items()}
    return {name: PlacedFile(content=text, mode=0o600) for name, text in contents.items()}


def _listing(files: Mapping[str, PlacedFile]) -> list[str]:
    width = max(len(f"{len(file.content):,}") for file in files.values())
    return [
        f"{file.mode:04o}  {len(file.content):>{width},}  {path}" for path, file in files.items()
    ]


def _print(files: Mapping[str, PlacedFile], path: str, node: str) -> None:
    if path not in files:
        message = f"{node} has no file {path!r}: `khgen show {node}` lists its files"
        raise click.UsageError(message)
    sys.stdout.flush()
    sys.stdout.buffer.write(files[path].content)
    sys.stdout.buffer.flush()


def _write(files: Mapping[str, PlacedFile], folder: ExportFolder, node: str) -> None:
    """Write the files where nobody else can read them: on the node root owns them, not here."""
    folder.publish(
        ExportFile(path=_below(path), content=file.content, node=node)
        for path, file in files.items()
    )
    wrote(folder.path)
    count = f"{len(files)} files of {node}"
    click.echo(f"wrote {count} into {folder.path}/: they may hold private keys")


def _below(path: str) -> str:
    return f"rootfs{path}" if path.startswith("/") else path
