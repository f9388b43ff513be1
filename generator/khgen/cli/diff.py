"""`khgen diff`: what a render would change against an output folder."""

from pathlib import Path

import click

from khgen.cli.outcome import format_option


@click.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("out"),
    show_default=True,
    help="Folder of the last render; diff only reads it.",
)
@click.option("--secrets", help="Secrets file, or - for standard input; default: beside the spec.")
@click.option("--node", "names", multiple=True, help="Compare only this node; repeatable.")
@click.option("-p", "--patch", is_flag=True, help="Show changed lines, except of private files.")
@format_option
def diff(
    spec: Path,
    output: Path,
    secrets: str | None,
    names: tuple[str, ...],
    *,
    patch: bool,
) -> None:
    """Show what a render would change, and write nothing.

    Each change has an effect on a cluster that is up: nothing, new machine, reload, restart, drain,
    replace, not possible. Exit code 0: nothing changes, 2: something does; docs/commands.md lists
    the others.
    """
    from khgen.cli.diffing import DiffRequest, run_diff

    run_diff(DiffRequest(spec=spec, output=output, secrets=secrets, names=names, patch=patch))
