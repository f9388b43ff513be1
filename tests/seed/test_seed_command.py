"""khgen seed: what it refuses and replaces, its messages, and who can read the result."""

import json
import os
import stat
from pathlib import Path

import pytest

from support.command import SMALL_SPEC, khgen
from support.rendered_out import ADDRESSED_SPEC, manifest_of, tree, write_out

AGAIN = "  hint: render again: khgen render cluster.yaml -o out\n"
REPLACE = (
    "  hint: if khgen wrote out, remove it and render again: khgen render cluster.yaml -o out\n"
)
CHANGED = "changed since it was rendered: its SHA-256 is not that in manifest.json\n"
USER_DATA = "out/nodes/cp1/user-data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_out(tmp_path, ADDRESSED_SPEC)
    return tmp_path


def seed(folder: Path, *options: str | Path, zone: str = "UTC") -> str:
    done = khgen("seed", "out", *options, cwd=folder, env={"TZ": zone})
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def refused(folder: Path, *options: str | Path, code: int) -> str:
    """What khgen seed says where it writes nothing."""
    before = tree(folder)
    done = khgen("seed", *options, cwd=folder)
    assert (done.returncode, done.stdout) == (code, "")
    assert tree(folder) == before
    return done.stderr


def usage(message: str) -> str:
    start = "Usage: python -m khgen seed [OPTIONS] OUT\nTry 'python -m khgen seed --help' for help."
    return f"{start}\n\nError: {message}\n"


def test_it_says_what_it_wrote_and_what_comes_next(folder: Path) -> None:
    assert seed(folder) == (
        "wrote 4 seeds of small into seeds/: they hold private keys\n"
        "next: attach seeds/<name>.iso to each machine as a disk, then boot them in any order\n"
    )
    assert seed(folder, "--node", "w1", "--format", "dir", "-o", "other").startswith(
        "wrote 1 seed of small into other/: they hold private keys\nnext: put the files of other/"
    )


@pytest.mark.parametrize("seed_format", ["iso", "dir"])
def test_only_the_operator_can_read_seeds(folder: Path, seed_format: str) -> None:
    before = os.umask(0)
    try:
        seed(folder, "--format", seed_format, "-o", "deep/seeds")
    finally:
        os.umask(before)
    for path in (folder / "deep", *(folder / "deep").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("seed_format", ["iso", "dir"])
def test_two_seeds_of_one_render_are_the_same_bytes(folder: Path, seed_format: str) -> None:
    seed(folder, "--format", seed_format, zone="Asia/Kathmandu")
    first = tree(folder / "seeds")
    seed(folder, "--format", seed_format, zone="America/St_Johns")
    assert tree(folder / "seeds") == first
    assert len(first) == (5 if seed_format == "iso" else 10)


def test_the_rendered_output_is_only_read(folder: Path) -> None:
    before = tree(folder / "out")
    seed(folder)
    assert tree(folder / "out") == before


def test_one_node_leaves_the_seeds_of_the_others(folder: Path) -> None:
    seed(folder)
    first = tree(folder / "seeds")
    seed(folder, "--node", "w1", "--format", "dir")
    second = tree(folder / "seeds")
    assert {name for name in second if name.startswith("w1")} == {
        "w1/user-data",
        "w1/meta-data",
        "w1/network-config",
    }
    for name in ("cp1.iso", "cp2.iso", "cp3.iso"):
        assert second[name] == first[name]
    seed(folder)
    assert tree(folder / "seeds") == first
    assert not (folder / "seeds" / "w1").exists()


def test_a_node_that_is_gone_loses_its_seed(folder: Path) -> None:
    seed(folder)
    lines = [line for line in SMALL_SPEC.splitlines() if "w1" not in line]
    write_out(folder, "\n".join(lines) + "\n")
    seed(folder, "--node", "cp1")
    assert sorted(tree(folder / "seeds")) == ["cp1.iso", "cp2.iso", "cp3.iso", "khgen-seeds.json"]


def test_the_listing_lists_what_is_there(folder: Path) -> None:
    seed(folder)
    listing = json.loads((folder / "seeds/khgen-seeds.json").read_text())
    assert listing["cluster"] == "small"
    assert list(listing["files"]) == ["cp1.iso", "cp2.iso", "cp3.iso", "w1.iso"]
    assert listing["files"]["w1.iso"]["bytes"] == (folder / "seeds/w1.iso").stat().st_size


def test_every_edited_file_is_reported_at_once(folder: Path) -> None:
    with (folder / USER_DATA).open("a") as file:
        file.write("# mine\n")
    (folder / "out/nodes/cp2/meta-data").unlink()
    (folder / "out/nodes/cp3/network-config").write_text("version: 2\n")
    (folder / "out/nodes/w1/network-config").unlink()
    assert refused(folder, "out", code=1) == (
        f"{USER_DATA}:1:1: error: {CHANGED}{AGAIN}"
        f"out/nodes/cp2/meta-data:1:1: error: missing, but listed in manifest.json\n{AGAIN}"
        "out/nodes/cp3/network-config:1:1: error: not part of the render:"
        f" manifest.json does not list it\n{AGAIN}"
        f"out/nodes/w1/network-config:1:1: error: missing, but listed in manifest.json\n{AGAIN}"
        "4 errors; nothing was written\n"
    )


def test_a_node_without_its_folder_is_reported(folder: Path) -> None:
    (folder / "out/nodes/cp1").rename(folder / "elsewhere")
    said = refused(folder, "out", "--node", "cp1", code=1)
    assert said.count("missing, but listed in manifest.json") == 3, "also its update"
    assert seed(folder, "--node", "cp2").startswith("wrote 1 seed")


def test_without_output_there_is_nothing_to_seed(folder: Path) -> None:
    assert refused(folder, "nowhere", code=3) == (
        "khgen: error: nowhere: there is no such folder: khgen render writes it\n"
    )
    (folder / "file").write_text("")
    assert refused(folder, "file", code=3) == (
        "khgen: error: file: is not a folder that khgen render wrote\n"
    )
    (folder / "out/manifest.json").unlink()
    assert refused(folder, "out", code=3) == (
        "khgen: error: out: holds no manifest.json: not a folder that khgen render wrote\n"
    )


def test_a_damaged_manifest_is_reported_with_its_place(folder: Path) -> None:
    path = folder / "out/manifest.json"
    path.write_text('{\n  "khgen": "0.1.0",\n  "nodes": oops\n}\n')
    assert refused(folder, "out", code=1) == (
        "out/manifest.json:3:12: error: not JSON: expecting value\n"
        f'    "nodes": oops\n             ^\n{REPLACE}'
        "1 error; nothing was written\n"
    )


@pytest.mark.parametrize(
    ("keys", "value", "reported"),
    [
        (("issuedAt",), "soon", "issuedAt: "),
        (("nodes", "w1", "userData"), {}, "nodes.w1.userData.sha256: field required"),
        (("nodes", "w1", "addresses"), [], "nodes.w1.addresses: "),
        (("nodes", "../w1"), {}, "nodes.../w1: string should match pattern"),
    ],
)
def test_a_manifest_of_something_else_is_reported(
    folder: Path, keys: tuple[str, ...], value: object, reported: str
) -> None:
    path = folder / "out/manifest.json"
    manifest = part = manifest_of(folder / "out")
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    path.write_text(json.dumps(manifest))
    said = refused(folder, "out", code=1)
    assert f"out/manifest.json:1:1: error: not what this khgen writes: {reported}" in said


def test_a_manifest_of_an_older_khgen_is_reported_in_a_few_lines(folder: Path) -> None:
    path = folder / "out/manifest.json"
    manifest = manifest_of(folder / "out")
    for entry in manifest["nodes"].values():
        del entry["metaDataSha256"], entry["addresses"]
    path.write_text(json.dumps(manifest))
    lines = refused(folder, "out", code=1).splitlines()
    assert "out/manifest.json:1:1: error: and 3 more like these" in lines
    assert lines[-1] == "6 errors; nothing was written"


def test_an_unknown_node_is_wrong_usage(folder: Path) -> None:
    said = refused(folder, "out", "--node", "cp11", code=2)
    assert said == usage("no node 'cp11' in out/manifest.json; did you mean 'cp1'?")
    said = refused(folder, "out", "--node", "zebra", code=2)
    assert said == usage("no node 'zebra' in out/manifest.json; there are: cp1, cp2, cp3, w1")


@pytest.mark.parametrize("target", ["out", "out/seeds", "."])
def test_seeds_do_not_go_where_a_render_replaces_them(folder: Path, target: str) -> None:
    assert refused(folder, "out", "-o", target, code=2) == usage(
        f"{target} and out are one inside the other: name another folder with -o"
    )


def test_files_that_khgen_did_not_write_are_left_alone(folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine/notes").write_text("keep")
    assert refused(folder, "out", "-o", "mine", code=3) == (
        "khgen: error: mine: holds something that khgen did not write (no khgen-seeds.json):"
        " name another folder with -o\n"
    )
    seed(folder)
    (folder / "seeds/notes").write_text("keep")
    assert refused(folder, "out", code=3) == (
        "khgen: error: seeds: holds notes that khgen did not write:"
        " move that away, or name another folder with -o\n"
    )


def test_seeds_of_another_cluster_are_left_alone(folder: Path) -> None:
    seed(folder)
    write_out(folder, SMALL_SPEC.replace("{name: small}", "{name: other}"))
    assert refused(folder, "out", code=3) == (
        "khgen: error: seeds: holds files of another cluster, 'small': name another folder with -o\n"
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not JSON: expecting value"),
        ("[]", "not a JSON object"),
        ('{"cluster": "small"}', "not what this khgen writes: kind: field required"),
    ],
)
def test_a_damaged_listing_stops_it(folder: Path, text: str, fault: str) -> None:
    seed(folder)
    (folder / "seeds/khgen-seeds.json").write_text(text)
    assert refused(folder, "out", code=3) == (
        f"khgen: error: seeds: its khgen-seeds.json is {fault}:"
        " remove the folder if khgen wrote it, or name another folder with -o\n"
    )
