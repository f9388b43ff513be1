"""`khgen --help`: its table of commands, and what help does not load."""

from collections.abc import Iterator

import click
import pytest

from khgen.bake.packer import Accelerator, Builder
from khgen.cli import cli, commands, identity_commands
from khgen.export.platforms import PLATFORMS
from khgen.export.seeds import SeedFormat
from khgen.spec.model import NodeRole
from support.command import khgen, python
from support.rendering import ROOT

WIDTH = 80
HEAVY = ("cryptography", "jinja2", "pycdlib", "pydantic", "yaml")
PRINTS_WHAT_IT_LOADED = f"""
import sys
from khgen.cli import cli
cli(sys.argv[1:], standalone_mode=False)
print("loaded:", *sorted(set({HEAVY}) & set(sys.modules)))
"""


def words_of(command: click.Command, *before: str) -> Iterator[tuple[str, ...]]:
    """The words that name this command, and each command below it."""
    yield before
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from words_of(below, *before, name)


def found(words: tuple[str, ...]) -> click.Command:
    """The command that these words name."""
    command: click.Command = cli
    for word in words:
        assert isinstance(command, click.Group)
        command = command.commands[word]
    return command


EVERY = tuple(words_of(cli))
GROUPS = tuple(words for words in EVERY if isinstance(found(words), click.Group))


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_help_loads_no_library_but_click(words: tuple[str, ...]) -> None:
    done = python("-c", PRINTS_WHAT_IT_LOADED, *words, "--help", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: -c {' '.join(words)}")
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_loaded_libraries_are_noticed() -> None:
    done = python("-c", PRINTS_WHAT_IT_LOADED, "schema", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "pydantic" in done.stdout.splitlines()[-1]


def test_choices_are_those_of_the_modules_that_do_the_work() -> None:
    assert set(commands.BUILDERS) == set(Builder)
    assert set(commands.ACCELERATORS) == {"auto", *Accelerator}
    assert set(commands.PLATFORMS) == set(PLATFORMS)
    assert set(commands.SEED_FORMATS) == set(SeedFormat)
    assert set(identity_commands.ROLES) == set(NodeRole)


@pytest.mark.parametrize("words", GROUPS, ids=" ".join)
def test_each_line_of_help_stands_whole_on_a_terminal_of_80_columns(words: tuple[str, ...]) -> None:
    lines = khgen(*words, "--help", cwd=ROOT, env={"COLUMNS": str(WIDTH)}).stdout.splitlines()
    table = lines[lines.index("Commands:") + 1 :]
    group = found(words)
    assert isinstance(group, click.Group)
    names = group.list_commands(click.Context(group))
    own = [[n, group.commands[n].get_short_help_str(limit=1000)] for n in names]
    assert [line.split(maxsplit=1) for line in table] == own
