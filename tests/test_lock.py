"""tests/requirements.txt: what tests/setup.sh installs fits pyproject.toml, each with hashes."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from support.command import python
from support.rendering import ROOT

LOCK = (ROOT / "tests" / "requirements.txt").read_text(encoding="utf-8")
ENTRY = re.compile(
    r"^([a-z0-9.-]+)==(\S+)[^\n]*\\\n((?:    --hash=sha256:[0-9a-f]{64}.*\n)+)", re.MULTILINE
)
PINNED = {name: Version(version) for name, version, _ in ENTRY.findall(LOCK)}


def wanted() -> Iterator[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    yield from project["build-system"]["requires"]
    yield from project["project"]["dependencies"]
    yield from project["dependency-groups"]["test"]


@pytest.mark.parametrize("line", sorted(set(wanted())))
def test_a_wanted_package_is_locked_at_a_version_that_is_wanted(line: str) -> None:
    requirement = Requirement(line)
    assert requirement.name in PINNED, "tests/requirements.txt: its first lines say how to renew it"
    assert PINNED[requirement.name] in requirement.specifier


def test_every_locked_package_has_hashes() -> None:
    named = re.findall(r"^([a-z0-9.-]+)==", LOCK, re.MULTILINE)
    assert named == list(PINNED)
    assert len(named) > 30


def test_setup_installs_nothing_else() -> None:
    setup = (ROOT / "tests" / "setup.sh").read_text(encoding="utf-8")
    installs = re.findall(r"pip install (.*)", setup)
    assert len(installs) == 2
    assert "--require-hashes -r tests/requirements.txt" in installs[0]
    assert "--no-deps --no-build-isolation" in installs[1]


def test_the_locked_backend_alone_makes_an_editable_install(tmp_path: Path) -> None:
    hook = "import sys; from hatchling.build import build_editable; build_editable(sys.argv[1])"
    done = python("-c", hook, tmp_path, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("khgen-*.whl")
    with ZipFile(wheel) as archive:
        (pointer,) = [name for name in archive.namelist() if name.endswith(".pth")]
        assert archive.read(pointer).decode().split() == [str(ROOT / "generator")]
