"""`khgen init` and `khgen schema`: what one begins a cluster.yaml with."""

import os
from pathlib import Path

import click

from khgen.cli.outcome import Exit, current_run, wrote
from khgen.resources import resource_folder

DEFAULT_EXAMPLE = "rocky-stacked-ha"


def example_names() -> list[str]:
    """The examples that `khgen init` knows."""
    return sorted(spec.parent.name for spec in resource_folder("examples").glob("*/cluster.yaml"))


@click.command()
@click.argument("example", required=False, default=DEFAULT_EXAMPLE)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File to create; default: cluster.yaml."
)
@click.option("--list", "list_only", is_flag=True, help="List the examples and stop.")
def init(example: str, output: Path | None, *, list_only: bool) -> None:
    """Write a commented cluster.yaml to start from."""
    names = example_names()
    if list_only:
        click.echo("\n".join(names))
        return
    if example not in names:
        message = f"no example '{example}'; there are: {', '.join(names)}"
        raise click.UsageError(message)
    path = output or Path("cluster.yaml")
    folder = resource_folder("examples") / example
    text = (folder / "cluster.yaml").read_text(encoding="utf-8")
    if str(path) == "-":
        click.echo(text, nl=False)
        return
    companions = sorted(file for file in folder.iterdir() if file.name != "cluster.yaml")
    wanted = {path: text}
    wanted |= {path.with_name(file.name): file.read_text(encoding="utf-8") for file in companions}
    _create(wanted)
    for written in wanted:
        click.echo(f"wrote {written}")
    click.echo(f"next: khgen render {path} -o out/")


def _create(wanted: dict[Path, str]) -> None:
    """Create all of the files, or none if there is one of them already."""
    for path in wanted:
        if os.path.lexists(path):
            message, hint = "exists already and is left alone", "name another file with -o"
            current_run().fail(Exit.FILES, message, hint=hint, file=str(path))
    for path, text in wanted.items():
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        wrote(path)


@click.command()
@click.option("--markdown", is_flag=True, help="Print the reference for people instead.")
@click.option("--changes", is_flag=True, help="Print what a change of each key means instead.")
def schema(*, markdown: bool, changes: bool) -> None:
    """Print the JSON Schema of cluster.yaml, for editors."""
    from khgen.changes.page import changes_text
    from khgen.spec.reference import reference_text
    from khgen.spec.schema import schema_text

    if changes:
        click.echo(changes_text(), nl=False)
        return
    click.echo(reference_text() if markdown else schema_text(), nl=False)
