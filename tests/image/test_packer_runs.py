"""A real Packer as a subprocess, with templates that need no network and no hypervisor."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from khgen.bake.packer import BakeError, Packer, PackerLine, installed_packer
from khgen.facts.version import Version
from khgen.rehearse.processes import wait_until
from support.packer_ends import PACKERS_LAST_WORDS, PATIENCE, alive
from support.programs import require_program

pytestmark = pytest.mark.tools

TEMPLATE = """\
source "null" "node" {
  communicator = "none"
}
build {
  sources = ["source.null.node"]
  provisioner "shell-local" {
    inline = ["%s"]
  }
}
"""


class Heard:
    """What a run of Packer reported."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.errors: list[str] = []
        self.artifacts: list[tuple[str, tuple[str, ...]]] = []

    def __call__(self, text: str, line: PackerLine | None) -> None:
        assert line is not None, text
        self.shown += [line.shown] if line.shown is not None else []
        self.errors += line.data if line.kind == "error" else ()
        self.artifacts += [line.artifact] if line.artifact is not None else []


@pytest.fixture
def packer(tmp_path: Path) -> Packer:
    require_program("packer")
    return installed_packer(tmp_path, tmp_path / "cache")


def template(folder: Path, command: str) -> str:
    path = folder / "null.pkr.hcl"
    path.write_text(TEMPLATE % command)
    return str(path)


def test_a_build_that_succeeds(packer: Packer, tmp_path: Path) -> None:
    heard = Heard()
    path = template(tmp_path, "echo one, two")
    assert packer.run(["build", "-machine-readable", path], heard) == 0
    assert any("null.node: one, two" in text for text in heard.shown)
    assert heard.errors == []
    assert ("id", ("Null",)) in heard.artifacts


def test_a_build_that_fails_says_why(packer: Packer, tmp_path: Path) -> None:
    heard = Heard()
    path = template(tmp_path, "echo the disk is full >&2; exit 3")
    assert packer.run(["build", "-machine-readable", path], heard) == 1
    assert any("the disk is full" in text for text in heard.shown)
    assert any("non-zero exit status: 3" in text for text in heard.errors)


def test_a_template_that_packer_cannot_read(packer: Packer, tmp_path: Path) -> None:
    heard = Heard()
    path = template(tmp_path, "${var.none}")
    assert packer.run(["validate", "-machine-readable", path], heard) == 1
    assert any("none" in text for text in heard.shown)


PROGRAM = """\
import sys
from pathlib import Path
from khgen.bake.packer import BakeInterruptedError
from khgen.bake.packer import installed_packer
folder = Path(sys.argv[1])
packer = installed_packer(folder, folder / "cache")
def heard(text, line):
    print(text, flush=True)
try:
    packer.run(["build", "-machine-readable", sys.argv[2]], heard)
except BakeInterruptedError as ended:
    sys.exit(128 + ended.number)
"""


@pytest.mark.parametrize("before", ["", "trap '' INT; "], ids=["", "with a deaf child"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_by_signal_lets_packer_clear_up(
    packer: Packer, tmp_path: Path, number: signal.Signals, before: str
) -> None:
    del packer
    marker = tmp_path / "child"
    announce = f"echo $$ > {marker}.new; mv {marker}.new {marker}"
    path = template(tmp_path, f"{before}{announce}; sleep 300")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        wait_until(marker.exists, PATIENCE, "Packer to begin")
        process.send_signal(number)
        output = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 128 + number
    assert any(end in output for end in PACKERS_LAST_WORDS)
    wait_until(lambda: not alive(int(marker.read_text())), PATIENCE, "what Packer ran to end")


def fake(folder: Path, text: str) -> None:
    program = folder / "packer"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


def test_no_packer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BakeError, match="no program 'packer'") as caught:
        installed_packer(tmp_path, tmp_path)
    assert "apt-get install packer" in caught.value.hint


def test_a_packer_that_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path, "echo Packer v1.5.4")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BakeError, match=r"is Packer 1\.5\.4, too old: 1\.6\.6 or newer"):
        installed_packer(tmp_path, tmp_path)


def test_another_program_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path, "echo 0 0")  # cracklib's, given no words
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BakeError, match="is not HashiCorp's Packer"):
        installed_packer(tmp_path, tmp_path)


def test_versions_of_packer_that_take_plugins(packer: Packer) -> None:
    for version, takes in (((1, 6, 6), False), ((1, 7, 0), True), ((1, 11, 2), True)):
        one = Packer(program=packer.program, version=Version(version), environment={})
        assert one.takes_plugins is takes
