"""The README is true: its commands run, its tables are complete, its links lead somewhere."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from support.command import khgen, python
from support.rendering import EXAMPLES, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
RUNS_THE_TESTS = "bash tests/run.sh\n"


def test_the_first_two_blocks_are_one_line_each() -> None:
    assert [block.count("\n") for block in BLOCKS[:2]] == [1, 1]
    assert BLOCKS[1] == RUNS_THE_TESTS


def test_ci_runs_the_readmes_test_command() -> None:
    assert RUNS_THE_TESTS in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel of this checkout installs."""
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


def build_wheel(checkout: Path, folder: Path) -> Path:
    build = (sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder)
    done = subprocess.run(
        [str(word) for word in build], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("khgen-*.whl")
    with ZipFile(built) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def test_an_installed_khgen_begins_and_renders_a_cluster(wheel: Path, tmp_path: Path) -> None:
    env = {"PYTHONPATH": str(wheel)}
    where = python("-c", "import khgen; print(khgen.__file__)", cwd=tmp_path, env=env)
    assert where.stdout.startswith(f"{wheel}/khgen/"), "not the checkout's"
    for example in ("rocky-stacked-ha", "air-gap"):
        folder = tmp_path / example
        folder.mkdir()
        for arguments in (("init", example), ("render", "cluster.yaml")):
            done = khgen(*arguments, cwd=folder, env=env)
            assert done.returncode == 0, done.stderr
        assert (folder / "out/manifest.json").is_file()


def test_a_wheel_has_every_file_of_the_checkout_but_keys(wheel: Path) -> None:
    wanted = {
        str(path.relative_to(ROOT))
        for name in ("templates", "packer", "examples")
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "out" not in path.parts and not path.name.endswith(".secrets.yaml")
    }
    packed = wheel / "khgen" / "_data"
    assert len(wanted) > 80
    assert wanted == {str(p.relative_to(packed)) for p in packed.rglob("*") if p.is_file()}


def test_a_wheel_has_no_key_of_an_example_that_was_rendered(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("generator", "templates", "packer", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name)
    single = tmp_path / "examples" / "single"
    assert khgen("render", "cluster.yaml", cwd=single).returncode == 0
    names = {str(path) for path in build_wheel(tmp_path, tmp_path / "wheel").rglob("*")}
    assert [name for name in names if name.endswith("single/cluster.yaml")]
    assert [name for name in names if "secrets.yaml" in name or "user-data" in name] == []


def test_the_first_command_installs_and_renders(tmp_path: Path) -> None:
    install, rendering = BLOCKS[0].strip().split(" && ")
    assert install == "pipx install ."
    program, *arguments = shlex.split(rendering)
    assert program == "khgen"
    copy = tmp_path / "examples"
    spec = Path(arguments[1])
    (copy / spec.parent.name).mkdir(parents=True)
    (tmp_path / spec).write_bytes((ROOT / spec).read_bytes())
    done = khgen(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "manifest.json").is_file()


def test_the_other_commands_run_as_they_stand(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "khgen"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m khgen "$@"\n')
    program.chmod(0o755)
    for block in BLOCKS[2:]:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=tmp_path,
            env={"PATH": f"{program.parent}:/usr/bin:/bin", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_every_example_has_a_row() -> None:
    assert re.findall(
        r"^\| \[([a-z-]+)\]\(examples/\1/cluster.yaml\)", README, re.MULTILINE
    ) == sorted(EXAMPLES, key=lambda name: README.index(f"[{name}]"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_quoted_mistake_is_what_khgen_prints(tmp_path: Path) -> None:
    quoted = re.search(r"```\n(cluster\.yaml:.*?)```", README, re.DOTALL)
    assert quoted is not None
    (tmp_path / "cluster.yaml").write_text(
        "apiVersion: khgen/v1alpha1\nkind: Cluster\nmetadata: {name: small}\n"
        "controlPlaneEndpoint: {vip: 192.168.10.240, port: 8443}\n"
        'os: {family: rhel, release: "9"}\n\n\n\n\n\nnodes:\n'
        "  - {name: mn01, role: control-plan, address: 192.168.10.11}\n"
    )
    done = khgen("render", "cluster.yaml", cwd=tmp_path)
    assert quoted[1] in done.stderr
