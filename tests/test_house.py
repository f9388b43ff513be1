"""The house rules that a program can hold us to."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from khgen.cli import cli
from support.programs import require_program
from support.rendering import ROOT

BIN = Path(sys.executable).parent
PACKAGE = ROOT / "generator" / "khgen"
MODULES = sorted(PACKAGE.rglob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MAX_PAGE_COLUMNS = 120
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 30


def run(*command: str | Path) -> None:
    done = subprocess.run(
        [str(word) for word in command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_finds_nothing() -> None:
    run(BIN / "ruff", "check", "--no-cache", ".")


def test_ruff_would_format_nothing() -> None:
    run(BIN / "ruff", "format", "--no-cache", "--check", ".")


def test_types_hold() -> None:
    run(BIN / "mypy")


def test_layers_import_one_way() -> None:
    run(BIN / "lint-imports", "--no-cache")


@pytest.mark.tools
def test_shell_scripts_are_clean() -> None:
    shellcheck = require_program("shellcheck")
    scripts = [
        path
        for folder in ("templates", "tests", ".ci")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file() and path.read_bytes().startswith((b"#!/bin/bash", b"#!/bin/sh"))
    ]
    assert len(scripts) > 10
    run(shellcheck, "-e", "SC1091", *scripts)  # sourced files exist on nodes alone


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_and_functions_are_small(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_MODULE_LINES
    long = [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
    ]
    assert long == []


def test_no_two_modules_have_one_name() -> None:
    stems = [path.stem for path in MODULES if path.name != "__init__.py"]
    assert {stem for stem in stems if stems.count(stem) > 1} == set()


def test_no_module_is_called_by_a_name_that_says_nothing() -> None:
    assert not {path.stem for path in MODULES} & {"utils", "helpers", "common", "misc", "base"}


BANNED = (
    "for ever",
    "in vain",
    "whence",
    "told",
    "tells",
    "says of",
    "warnings for errors",
    "longer than nothing",
    "replaced whole",
    "to end on top",
)
"""Phrases that a reader of a page or of a help text has to read twice."""


def banned_in(text: str) -> list[str]:
    words = " ".join(text.lower().split())
    return [phrase for phrase in BANNED if re.search(rf"\b{re.escape(phrase)}\b", words)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_in_plain_english(page: Path) -> None:
    assert banned_in(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("folder", ["generator", "templates", "packer", "benchmarks", "tests"])
def test_names_comments_and_messages_are_in_plain_english(folder: str) -> None:
    files = {path for path in (ROOT / folder).rglob("*") if path.suffix != ".pyc"}
    files -= {Path(__file__), *(ROOT / "tests" / "golden").rglob("*")}
    texts = {path: path.read_bytes().decode(errors="replace") for path in files if path.is_file()}
    found = {path: banned_in(text.replace("_", " ")) for path, text in texts.items()}
    assert len(texts) > 5
    assert {path: phrases for path, phrases in found.items() if phrases} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_of_pages_are_short(page: Path) -> None:
    """Markdown cannot break a row of a table, nor a quoted command or output."""
    quoted = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
    lines = quoted.sub("", page.read_text(encoding="utf-8")).splitlines()
    long = [line for line in lines if len(line) > MAX_PAGE_COLUMNS and not line.startswith("|")]
    assert long == []


def helps(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    """What `--help` prints of this command and of those below it, on 80 columns."""
    context = click.Context(command, info_name=name, terminal_width=80)
    yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from helps(found, f"{name} {below}")


HELPS = dict(helps(cli, "khgen"))


@pytest.mark.parametrize("name", HELPS)
def test_help_is_in_plain_english_and_not_cut_off(name: str) -> None:
    assert banned_in(HELPS[name]) == []
    cut = [line for line in HELPS[name].splitlines() if re.search(r"\w\.\.\.$", line)]
    assert cut == []
