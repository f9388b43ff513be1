"""`khgen init`: a commented cluster.yaml to start from."""

import os
from contextlib import ExitStack
from pathlib import Path

import click

from khgen.cli.outcome import Exit, current_run, wrote
from khgen.disk.spec_file import text_files
from khgen.disk.system_calls import about, write_all
from khgen.resources import resource_folder
from khgen.spec.load import load_spec


def _example_names() -> list[str]:
    """The examples that `khgen init` knows."""
    return sorted(spec.parent.name for spec in resource_folder("examples").glob("*/cluster.yaml"))


def list_examples() -> None:
    """Print the names of the examples."""
    click.echo("\n".join(_example_names()))


def write_example(example: str, path: Path) -> None:
    """Write the example's spec to that path, or to standard output for `-`."""
    names = _example_names()
    if example not in names:
        message = f"no example '{example}'; there are: {', '.join(names)}"
        raise click.UsageError(message)
    source = resource_folder("examples") / example / "cluster.yaml"
    text = source.read_text(encoding="utf-8")
    if str(path) == "-":
        click.echo(text, nl=False)
        return
    wanted = {path: text}
    wanted |= {
        path.with_name(name): (source.parent / name).read_text(encoding="utf-8")
        for name in _companions(text)
    }
    _create(wanted)
    for written in wanted:
        click.echo(f"wrote {written}")
    click.echo(f"next: khgen render {path} -o out/")


def _companions(text: str) -> tuple[str, ...]:
    """The files that an example names; other files beside it do not belong to it."""
    spec = load_spec(text, "cluster.yaml").spec
    return () if spec is None else text_files(spec)


def _create(wanted: dict[Path, str]) -> None:
    """Create all of the files, or none if one of them cannot be created."""
    for path in wanted:
        if os.path.lexists(path):
            message, hint = "exists already and was not changed", "name another file with -o"
            current_run().fail(Exit.FILES, message, hint=hint, file=str(path))
    with ExitStack() as made:
        for path, text in wanted.items():
            _create_one(path, text, made)
        made.pop_all()
    wrote(*wanted)


def _create_one(path: Path, text: str, made: ExitStack) -> None:
    """Create the file; `made` removes it again unless `made` is emptied."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        made.callback(path.unlink)
        try:
            write_all(descriptor, text.encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise about(path, error) from None
