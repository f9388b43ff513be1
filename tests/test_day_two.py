"""The page of an operator's tasks is true: its commands run, one after the other, as they stand.

What needs a running cluster is not run, but its words are checked: khgen knows the options, the files
that kubectl and scp are given exist, the nodes have the commands.
"""

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from khgen.resources import verbatim
from support.rendering import ROOT

PAGE = (ROOT / "docs" / "day-two.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
OUTPUTS = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
KHGEN = f"""\
#!/bin/sh
case " $* " in
" status "* | " rehearse "* | *" --live "*) set -- "$@" --help ;;
esac
{sys.executable} -m khgen "$@" || [ "$1 $?" = "diff 2" ]
"""
"""`--help` comes after what the words mean was read: an option that khgen does not know is an error."""
CLUSTER_PROGRAM = """\
#!/bin/sh
for word in "$@"; do
  case $word in
  out/*) [ -e "$word" ] || { echo "$0: there is no $word" >&2; exit 1; } ;;
  esac
done
printf '%s\\n' "${0##*/} $*" >>log
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A folder in which all commands of the page have run, and what they printed."""

    folder: Path
    stdout: str
    log: list[list[str]]
    """The words of each command for a running cluster or a machine."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("day-two")
    programs = folder / "bin"
    programs.mkdir()
    for name in ("khgen", "kubectl", "scp", "ssh"):
        program = programs / name
        program.write_text(KHGEN if name == "khgen" else CLUSTER_PROGRAM)
        program.chmod(0o755)
    (folder / "kubernetes").mkdir()
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", "".join(COMMANDS)],
        cwd=folder,
        env={"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(folder), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    log = [shlex.split(line) for line in (folder / "log").read_text().splitlines()]
    return Played(folder=folder, stdout=done.stdout, log=log)


def test_the_commands_run_and_print_what_the_page_quotes(played: Played) -> None:
    assert len(OUTPUTS) > 2
    for output in OUTPUTS:
        assert output.rstrip("\n") in played.stdout


def test_an_unknown_option_of_a_command_that_is_not_run_is_found(played: Played) -> None:
    script = played.folder / "bin" / "khgen"
    for words in ("status --wacth", "rehearse x --updated", "certs list x --live --no"):
        done = subprocess.run(
            [script, *words.split()], cwd=played.folder, capture_output=True, text=True, check=False
        )
        assert "No such option" in done.stderr


def test_each_change_is_followed_by_what_hands_it_out() -> None:
    for block in COMMANDS[1:]:
        if "khgen render" in block:
            rest = block.partition("khgen render")[2]
            assert re.search("kubectl apply|khgen seed|scp", rest), block


def test_the_last_output_is_that_of_the_page(played: Played) -> None:
    nodes = {path.name for path in (played.folder / "out/nodes").iterdir()}
    assert nodes == {"lb0", "lb1", "cp0", "cp1", "cp2", "worker0", "worker1"}
    seeds = {path.stem for path in (played.folder / "update-seeds").glob("*.iso")}
    assert seeds == nodes
    for node in nodes:
        files = {path.name for path in (played.folder / f"out/nodes/{node}/update").iterdir()}
        assert files == {"bundle.json", "bundle.sig", "kind.tar.xz", "node.tar.xz"}


def test_nodes_have_the_commands_that_the_page_runs_on_them(played: Played) -> None:
    texts = {name: verbatim(name) for name in ("khgen-boot", "khgen-update")}
    ran = {" ".join(words[2:]) for words in played.log if words[0] == "ssh"}
    assert {"khgen-boot status", "khgen-boot apply /run/khgen-update --alone"} <= ran
    assert "'apply '*)" in texts["khgen-boot"]
    assert '"--alone"' in texts["khgen-update"]


def test_what_is_deleted_is_what_an_update_has(played: Played) -> None:
    applied = (played.folder / "out/update.yaml").read_text()
    kinds = {kind.lower() for kind in re.findall(r'"kind": "(Secret|Role|RoleBinding)"', applied)}
    deleted = [words for words in played.log if "delete" in words and "-n" in words]
    assert [set(words[4].split(",")) for words in deleted] == [kinds]
    assert [words[2] for words in deleted] == ["khgen"]
    assert '"update-worker0"' in applied
    assert '"update-worker2"' not in applied
