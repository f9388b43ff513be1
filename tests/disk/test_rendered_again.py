"""A render over an output folder writes what changed, and nothing else."""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from support.command import SMALL_SPEC, khgen
from support.rendered_out import manifest_of, node_files, tree


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cluster.yaml").write_text(SMALL_SPEC)
    assert khgen("render", "cluster.yaml", cwd=tmp_path).returncode == 0
    return tmp_path


def inodes(out: Path) -> dict[str, int]:
    """The inode of everything below the folder, and its own."""
    return {str(path.relative_to(out)): path.stat().st_ino for path in (out, *out.rglob("*"))}


def again(folder: Path, *more: str) -> None:
    done = khgen("render", "cluster.yaml", *more, cwd=folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("more", [(), ("--node", "w1")])
def test_nothing_is_written_where_nothing_changed(folder: Path, more: tuple[str, ...]) -> None:
    before = inodes(folder / "out")
    again(folder, *more)
    assert inodes(folder / "out") == before


def test_whole_trees_that_did_not_change_stay_too(folder: Path) -> None:
    again(folder, "--rootfs")
    before = inodes(folder / "out")
    again(folder, "--rootfs")
    after = inodes(folder / "out")
    assert after["nodes/w1/rootfs/etc/hosts"] == before["nodes/w1/rootfs/etc/hosts"]
    again(folder)
    assert not (folder / "out/nodes/w1/rootfs").exists()


def test_nodes_that_did_not_change_are_the_same_files(folder: Path) -> None:
    before, content = inodes(folder / "out"), tree(folder / "out")
    done = khgen("node", "replace", "cluster.yaml", "w1", cwd=folder)
    assert done.returncode == 0, done.stderr
    again(folder)
    after = inodes(folder / "out")
    assert after["."] != before["."]
    for name in ("cp1", "cp2", "cp3"):
        for file in ("user-data", "meta-data"):
            assert after[f"nodes/{name}/{file}"] == before[f"nodes/{name}/{file}"]
    assert after["nodes/w1/user-data"] != before["nodes/w1/user-data"]
    assert tree(folder / "out")["nodes/w1/user-data"] != content["nodes/w1/user-data"]


PLACES = (
    "manifest.json",
    "admin.conf",
    "spec.json",
    "nodes/w1/user-data",
    "nodes/cp1/meta-data",
    "kinds/worker/rootfs/etc/containerd/config.toml",
)


@pytest.mark.parametrize("place", PLACES[1:])
@pytest.mark.parametrize("damage", ["edited", "removed", "opened", "linked"])
def test_damaged_files_are_written_again(folder: Path, place: str, damage: str) -> None:
    before = tree(folder / "out")
    file = folder / "out" / place
    if damage == "edited":
        times = file.stat()
        file.write_bytes(file.read_bytes().swapcase())  # Of the same size and the same age.
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif damage == "removed":
        file.unlink()
    elif damage == "opened":
        file.chmod(0o666)
    else:
        # Refused as no file of khgen's, so it is never kept.
        shutil.move(file, folder / "elsewhere")
        file.symlink_to(folder / "elsewhere")
        assert khgen("render", "cluster.yaml", cwd=folder).returncode == 3
        return
    again(folder)
    assert tree(folder / "out") == before
    assert file.stat().st_mode & 0o022 == 0


def test_an_opened_folder_is_closed_again(folder: Path) -> None:
    for name in ("", "nodes", "nodes/w1", "kinds/worker"):
        opened = folder / "out" / name
        opened.chmod(0o755)
        again(folder)
        assert opened.stat().st_mode & 0o777 == 0o700, name


def test_a_change_of_the_spec_or_of_the_secrets_is_never_missed(folder: Path) -> None:
    before = tree(folder / "out")
    assert khgen("certs", "renew", "cluster.yaml", cwd=folder).returncode == 0
    again(folder)
    renewed = tree(folder / "out")
    assert renewed["nodes/w1/user-data"] != before["nodes/w1/user-data"]
    spec = folder / "cluster.yaml"
    spec.write_text(spec.read_text().replace('release: "12"', 'release: "12", timezone: UTC'))
    again(folder)
    assert tree(folder / "out")["nodes/w1/user-data"] != renewed["nodes/w1/user-data"]


def test_a_missing_node_is_written_where_nothing_else_changed(folder: Path) -> None:
    before = tree(folder / "out")
    shutil.rmtree(folder / "out/nodes/w1")
    again(folder)
    assert tree(folder / "out") == before


def test_nodes_that_stay_keep_the_tree_that_they_were_rendered_with(tmp_path: Path) -> None:
    assert khgen("init", "air-gap", cwd=tmp_path).returncode == 0
    again(tmp_path)
    out = tmp_path / "out"
    nodes = manifest_of(out)["nodes"]
    kind = next(k for k, n in Counter(n["kind"] for n in nodes.values()).items() if n > 1)
    first, second, *others = (name for name, node in nodes.items() if node["kind"] == kind)
    files, written = node_files(out, second), tree(out / "kinds" / kind)
    spec = tmp_path / "cluster.yaml"
    spec.write_text(spec.read_text().replace("10.50.0.3]", "10.50.0.5]"))
    again(tmp_path, "--node", first)
    assert tree(out / "kinds" / kind) != written
    assert node_files(out, second) == files
    kept = manifest_of(out)["nodes"][second]["kindTree"]
    assert tree(out / "kinds" / kept) == written
    again(tmp_path, *(word for name in (second, *others) for word in ("--node", name)))
    assert not (out / "kinds" / kept).exists()
    assert {node["kindTree"] for node in manifest_of(out)["nodes"].values()} >= {kind}
