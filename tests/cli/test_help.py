"""`khgen --help`: its table of commands, and what it does not load."""

import click
import pytest

from khgen.cli import COMMANDS, cli
from support.command import khgen, python
from support.rendering import ROOT

WIDTH = 80
HEAVY = ("cryptography", "jinja2", "pycdlib", "pydantic", "yaml")
PRINTS_WHAT_IT_LOADED = f"""
import sys
from khgen.cli import cli
cli(sys.argv[1:], standalone_mode=False)
print("loaded:", *sorted(set({HEAVY}) & set(sys.modules)))
print("commands:", *sorted(name for name in sys.modules if name.endswith("_command")))
"""


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


GROUPS = [name for name in COMMANDS if isinstance(command(name), click.Group)]


def test_help_loads_no_library_and_no_command() -> None:
    done = python("-c", PRINTS_WHAT_IT_LOADED, "--help", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["loaded:", "commands:"]


def test_what_was_loaded_is_noticed() -> None:
    done = python("-c", PRINTS_WHAT_IT_LOADED, "schema", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "pydantic" in done.stdout.splitlines()[-2]
    assert done.stdout.splitlines()[-1] == "commands: khgen.cli.schema_command"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_has_the_commands_own_line(name: str) -> None:
    assert command(name).get_short_help_str(limit=1000) == COMMANDS[name]
    assert command(name).name == name


def test_each_line_of_help_stands_whole_on_a_terminal_of_80_columns() -> None:
    lines = khgen("--help", cwd=ROOT, env={"COLUMNS": str(WIDTH)}).stdout.splitlines()
    table = lines[lines.index("Commands:") + 1 :]
    assert [line.split(maxsplit=1) for line in table] == [[n, h] for n, h in COMMANDS.items()]


@pytest.mark.parametrize("name", GROUPS)
def test_each_line_of_a_groups_help_stands_whole_too(name: str) -> None:
    group = command(name)
    assert isinstance(group, click.Group)
    lines = khgen(name, "--help", cwd=ROOT, env={"COLUMNS": str(WIDTH)}).stdout.splitlines()
    table = lines[lines.index("Commands:") + 1 :]
    own = [[n, c.get_short_help_str(limit=1000)] for n, c in sorted(group.commands.items())]
    assert [line.split(maxsplit=1) for line in table] == own
