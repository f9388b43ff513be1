"""Folders and files of another user are never adopted, removed or followed."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from khgen.disk.manifest import rendered_files
from khgen.disk.owned_folder import OutputRefusedError, refuse_foreign
from support.command import SMALL_SPEC, khgen

OTHER = 65534
NOBODY = "(uid 65534)"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user: needs root")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cluster.yaml").write_text(SMALL_SPEC)
    return tmp_path


def given_away(path: Path) -> Path:
    os.chown(path, OTHER, OTHER, follow_symlinks=False)
    return path


def made(folder: Path, *arguments: str | Path) -> None:
    done = khgen(*arguments, cwd=folder)
    assert done.returncode == 0, done.stderr


def entries(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Every entry below the folder by its inode, its owner and its mode."""
    found = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        found[str(path.relative_to(folder))] = (status.st_ino, status.st_uid, status.st_mode)
    return found


def refused(folder: Path, *arguments: str | Path) -> str:
    before = entries(folder)
    done = khgen(*arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert entries(folder) == before
    assert NOBODY in done.stderr
    assert "name another folder with -o" in done.stderr
    return done.stderr


@pytest.mark.parametrize("name", ["", "nodes", "kinds/worker/rootfs/etc"])
def test_a_folder_of_another_user_is_refused(folder: Path, name: str) -> None:
    made(folder, "render", "cluster.yaml")
    given_away(folder / "out" / name)
    assert refused(folder, "render", "cluster.yaml").startswith("khgen: error: out")
    refused(folder, "render", "cluster.yaml", "--node", "w1")


def test_an_empty_folder_of_another_user_is_refused(folder: Path) -> None:
    (folder / "out").mkdir()
    given_away(folder / "out")
    refused(folder, "render", "cluster.yaml")


def test_a_file_that_another_user_put_into_an_open_folder_is_refused(folder: Path) -> None:
    made(folder, "render", "cluster.yaml")
    made(folder, "seed", "out")
    (folder / "seeds").chmod(0o777)
    given_away(folder / "seeds/w1.iso")
    said = refused(folder, "seed", "out", "--node", "cp1")
    assert said.startswith("khgen: error: seeds/w1.iso: belongs to ")
    refused(folder, "seed", "out")


def test_planted_leftovers_stop_nothing_and_stay(folder: Path) -> None:
    (folder / "victim").mkdir()
    (folder / "victim/work").write_text("three years")
    (folder / ".out.khgen-aaaaaaaaaaaaaaaa").symlink_to("victim")
    (folder / ".out.khgen-bbbbbbbbbbbbbbbb-old").symlink_to("victim")
    for name in (
        ".out.khgen-cccccccccccccccc",
        ".out.khgen-dddddddddddddddd-old",
        ".out.khgen-old",
    ):
        (folder / name).mkdir()
        (folder / name / "work").write_text("of another user")
        given_away(folder / name)
    (folder / ".out.khgen-eeeeeeee").write_text("a file")
    (folder / ".out.khgen-ffffffffffffffff").mkdir()
    before = entries(folder)
    made(folder, "render", "cluster.yaml")
    made(folder, "render", "cluster.yaml")
    after = entries(folder)
    assert before.keys() - after.keys() == {".out.khgen-ffffffffffffffff"}
    assert all(after[name] == before[name] for name in before.keys() & after.keys())
    assert (folder / "out").stat().st_uid == 0


def test_variables_are_not_written_over_another_users(folder: Path) -> None:
    made(folder, "render", "cluster.yaml")
    made(folder, "export", "terraform", "out", "-o", "infra")
    given_away(folder / "infra/khgen.auto.tfvars.json")
    refused(folder, "export", "terraform", "out", "-o", "infra")
    (folder / "theirs").mkdir()
    given_away(folder / "theirs")
    refused(folder, "export", "terraform", "out", "-o", "theirs")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder of the other user's; pytest's own are closed to all but root."""
    with tempfile.TemporaryDirectory() as name:
        yield given_away(Path(name))


def test_a_plain_user_leaves_the_folder_of_root_alone(open_folder: Path) -> None:
    out = open_folder / "out"
    out.mkdir(mode=0o700)
    os.seteuid(OTHER)
    try:
        with pytest.raises(OutputRefusedError, match=r"belongs to root \(uid 0\), and you are "):
            refuse_foreign(out, rendered_files)
    finally:
        os.seteuid(0)
