"""render, seed and export never replace, keep or remove what is not khgen's own."""

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from khgen.disk.owned_folder import listing_text
from support.command import SMALL_SPEC, khgen
from support.rendered_out import manifest_of

SECRETS = "small.secrets.yaml"
Entry = tuple[int, int, bytes | str]


def everything(folder: Path) -> dict[str, Entry]:
    """Every entry below the folder, links not followed: its mode, its owner and its content."""
    found: dict[str, Entry] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content: bytes | str = b""
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_uid, content)
    return found


def refused(folder: Path, *arguments: str | Path, code: int, cwd: Path | None = None) -> str:
    """What a command reports that changes nothing below the folder."""
    before = everything(folder)
    done = khgen(*arguments, cwd=cwd or folder)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert everything(folder) == before
    assert "Traceback" not in done.stderr
    return done.stderr


def made(folder: Path, *arguments: str | Path) -> None:
    done = khgen(*arguments, cwd=folder)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a render in it, which no test changes."""
    folder = tmp_path_factory.mktemp("rendered")
    (folder / "cluster.yaml").write_text(SMALL_SPEC)
    made(folder, "render", "cluster.yaml")
    return folder


@pytest.fixture
def folder(rendered: Path, tmp_path: Path) -> Path:
    shutil.copytree(rendered, tmp_path, dirs_exist_ok=True)
    return tmp_path


def edited(out: Path, *keys: str, value: object, signed: bool = True) -> None:
    """Change a value of the manifest; signed, it has a digest that fits."""
    manifest: dict[str, Any] = manifest_of(out)
    part = manifest
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    kind = manifest.pop("kind")
    text = json.dumps({"kind": kind, **manifest})
    if signed:
        del manifest["sha256"], manifest["khgen"]
        text = listing_text(kind, manifest)
    (out / "manifest.json").write_text(text)


@pytest.mark.parametrize(
    "manifest", ["{}", '{"name": "shop", "icons": []}', '{"nodes": {}, "cluster": "small"}']
)
@pytest.mark.parametrize("more", [(), ("--node", "w1")])
def test_a_web_apps_folder_stays(tmp_path: Path, manifest: str, more: tuple[str, ...]) -> None:
    (tmp_path / "cluster.yaml").write_text(SMALL_SPEC)
    (tmp_path / "app/static").mkdir(parents=True)
    (tmp_path / "app/static/index.html").write_text("<p>a shop</p>")
    (tmp_path / "app/manifest.json").write_text(manifest)
    said = refused(tmp_path, "render", "cluster.yaml", "-o", "app", *more, code=3)
    assert said == (
        "khgen: error: app: its manifest.json is not what this khgen writes: kind: field required:"
        " remove the folder if khgen wrote it, or name another folder with -o\n"
    )


@pytest.mark.parametrize(
    ("where", "what", "more"),
    [
        ("notes", "file", ()),
        ("nodes/cp1/notes", "file", ("--node", "w1")),
        ("kinds/worker/rootfs/etc/notes", "folder", ()),
        ("nodes/notes", "folder", ("--node", "w1")),
        ("nodes/notes", "link", ()),
        ("kinds/founder/rootfs/notes", "link", ("--node", "w1")),
        ("kinds/founder/rootfs/notes", "fifo", ()),
    ],
)
def test_a_foreign_entry_stays(folder: Path, where: str, what: str, more: tuple[str, ...]) -> None:
    path = folder / "out" / where
    match what:
        case "file":
            path.write_text("three years")
        case "folder":
            (path / "thesis").mkdir(parents=True)
        case "link":
            path.symlink_to(folder)
        case _:
            os.mkfifo(path)
    assert refused(folder, "render", "cluster.yaml", *more, code=3) == (
        f"khgen: error: out: holds {where} that khgen did not write:"
        " move that away, or name another folder with -o\n"
    )


def test_the_first_of_many_is_named(folder: Path) -> None:
    for name in ("c", "a", "b"):
        (folder / "out/nodes" / name).mkdir()
    said = refused(folder, "render", "cluster.yaml", code=3)
    assert said.startswith("khgen: error: out: holds nodes/a and 2 more that khgen did not write: ")


@pytest.mark.parametrize("name", ["manifest.json", "admin.conf", "nodes/w1/user-data"])
@pytest.mark.parametrize("what", ["link", "fifo"])
def test_no_link_or_pipe_takes_the_place_of_a_listed_file(
    folder: Path, name: str, what: str
) -> None:
    path = folder / "out" / name
    path.rename(folder / "elsewhere")
    if what == "link":
        path.symlink_to(folder / "elsewhere")
    else:
        os.mkfifo(path)
    refused(folder, "render", "cluster.yaml", code=3)
    refused(folder, "render", "cluster.yaml", "--node", "cp1", code=3)


def test_no_name_of_a_manifest_leads_outside(folder: Path) -> None:
    (folder / "victim").mkdir()
    (folder / "victim/work").write_text("three years")
    entry = manifest_of(folder / "out")["nodes"]["w1"]
    for name in ("../../victim", str(folder / "victim"), "..", "nodes/../../victim"):
        edited(folder / "out", "nodes", value={name: entry})
        for more in ((), ("--node", "w1")):
            assert "string should match pattern" in refused(
                folder, "render", "cluster.yaml", *more, code=3
            )
        refused(folder, "seed", "out", code=1)


@pytest.mark.parametrize("path", ["/../../../../victim/work", "etc/hosts", "/etc/../hosts", "//"])
def test_no_file_list_leads_outside(folder: Path, path: str) -> None:
    for name in manifest_of(folder / "out")["fileLists"]:
        edited(folder / "out", "fileLists", name, value=[path])
    assert "fileLists" in refused(folder, "render", "cluster.yaml", code=3)


@pytest.mark.parametrize("path", ["../victim", "/etc/passwd", "a//b", "a/../../victim", ".", ""])
def test_no_name_of_an_export_leads_outside(folder: Path, path: str) -> None:
    (folder / "victim").write_text("three years")
    made(folder, "seed", "out")
    listing = json.loads((folder / "seeds/khgen-seeds.json").read_text())
    values = {"cluster": "small", "files": {path: listing["files"]["w1.iso"]}}
    (folder / "seeds/khgen-seeds.json").write_text(listing_text("khgen/seeds", values))
    assert "string should match pattern" in refused(folder, "seed", "out", code=3)


@pytest.mark.parametrize(
    "arguments",
    [
        ("cluster.yaml", "-o", "."),
        ("cluster.yaml", "-o", ".."),
        ("cluster.yaml", "-o", "/"),
        ("cluster.yaml", "-o", "sub/.."),
        ("cluster.yaml", "-o", "cluster.yaml"),
        ("cluster.yaml", "-o", "itself"),
        ("cluster.yaml", "-o", "new", "--secrets", "new/s.yaml"),
        ("cluster.yaml", "-o", "new", "--secrets", "new"),
        ("cluster.yaml", "-o", "new", "--secrets", "sub/../new/deep/s.yaml"),
        ("sub/cluster.yaml", "-o", "sub"),
        ("through/cluster.yaml", "-o", "sub"),
        ("sub/cluster.yaml", "-o", "through"),
        ("link.yaml", "-o", "sub", "--secrets", "s.yaml"),
        ("sub/out.yaml", "-o", "sub", "--secrets", "s.yaml"),
    ],
)
def test_nothing_that_is_read_is_inside_the_output(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("cluster.yaml", "sub/cluster.yaml"):
        (tmp_path / name).write_text(SMALL_SPEC)
    (tmp_path / "itself").symlink_to(".")
    (tmp_path / "through").symlink_to("sub")
    (tmp_path / "link.yaml").symlink_to("sub/cluster.yaml")
    (tmp_path / "sub/out.yaml").symlink_to("../cluster.yaml")
    said = refused(tmp_path, "render", *arguments, code=2)
    assert said.endswith("name another folder with -o\n")


def test_a_spec_that_came_into_the_output_stays(folder: Path) -> None:
    (folder / "cluster.yaml").rename(folder / "out/cluster.yaml")
    (folder / SECRETS).rename(folder / "out" / SECRETS)
    refused(folder, "render", "out/cluster.yaml", code=2)
    refused(folder, "render", "cluster.yaml", "-o", ".", code=2, cwd=folder / "out")
    refused(folder, "render", "cluster.yaml", "-o", "../out", code=2, cwd=folder / "out")


def test_neither_manifests_nor_the_working_directory_are_inside(folder: Path) -> None:
    (folder / "new").mkdir()
    (folder / "new/pod.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n")
    named = SMALL_SPEC.replace("addons: {", "addons: {manifests: [{name: a, path: new/pod.yaml}], ")
    (folder / "other.yaml").write_text(named)
    said = refused(folder, "render", "other.yaml", "-o", "new", code=2)
    assert "new/pod.yaml would be inside the output folder new, whose content is replaced" in said
    inside = folder / "out/nodes"
    said = refused(folder, "render", "../../cluster.yaml", "-o", folder / "out", code=2, cwd=inside)
    assert "holds the working directory" in said
    made(folder, "seed", "out", "--format", "dir")
    refused(folder, "seed", folder / "out", "-o", "..", code=2, cwd=folder / "seeds/w1")
    refused(folder, "export", "incus", "out", "-o", "out/incus", code=2)
    refused(folder, "export", "incus", "out", "-o", ".", code=2)


def damaged(content: bytes, damage: str) -> bytes:
    match damage:
        case "truncated":
            return content[: len(content) // 2]
        case "not UTF-8":
            return content.replace(b'"small"', b'"sm\xffll"')
        case "too deep":
            return b"[" * 100_000
        case "a long number":
            return content.replace(b'"machine": 1', b'"machine": ' + b"9" * 5000)
        case "a surrogate":
            return content.replace(b'"small"', b'"\\ud800"')
        case "another kind":
            return content.replace(b"khgen/rendered", b"khgen/seeds")
        case _:
            return content.replace(b"10.9.0.21", b"10.9.0.22")


@pytest.mark.parametrize(
    "damage",
    [
        "truncated",
        "not UTF-8",
        "too deep",
        "a long number",
        "a surrogate",
        "another kind",
        "a digit",
    ],
)
def test_a_damaged_manifest_is_an_error_of_every_command(folder: Path, damage: str) -> None:
    path = folder / "out/manifest.json"
    path.write_bytes(damaged(path.read_bytes(), damage))
    assert refused(folder, "render", "cluster.yaml", "--node", "w1", code=3).endswith(
        "remove the folder if khgen wrote it, or name another folder with -o\n"
    )
    for command in (("diff", "cluster.yaml"), ("export", "terraform", "out")):
        said = refused(folder, *command, code=1)
        assert said.startswith("out/manifest.json:")
        assert "if khgen wrote out, remove it and render again" in said


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("nodes", "w1", "role"), "king"),
        (("nodes", "w1", "kind"), "founding-father"),
        (("nodes", "w1", "machine"), 0),
        (("nodes", "w1", "machine"), "1"),
        (("nodes", "w1", "addresses"), ["10.9.0.300"]),
        (("nodes", "w1", "userData", "encoding"), "gzip"),
        (("nodes", "w1", "userData", "encoding"), "gzip+base64"),
        (("nodes", "w1", "fileList"), "none"),
        (("nodes", "w1", "metaDataSha256"), None),
        (("nodes",), []),
        (("cluster",), "../small"),
    ],
)
def test_an_edited_manifest_is_not_seeded(
    folder: Path, keys: tuple[str, ...], value: object
) -> None:
    edited(folder / "out", *keys, value=value)
    assert refused(folder, "seed", "out", code=1).endswith("nothing was written\n")


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("nodes",), {}),
        (("nodes", "w1", "addresses"), ["10.9.0.99"]),
        (("nodes", "w1", "machine"), 2),
        (("founders",), ["w1"]),
    ],
)
def test_a_plausible_edit_is_noticed_by_the_digest(
    folder: Path, keys: tuple[str, ...], value: object
) -> None:
    edited(folder / "out", *keys, value=value, signed=False)
    for command in (("seed", "out"), ("export", "terraform", "out")):
        assert "changed since khgen wrote it: " in refused(folder, *command, code=1)


def test_one_node_after_the_spec_changed_accounts_for_the_files_of_all(folder: Path) -> None:
    more = SMALL_SPEC.replace('release: "12"', 'release: "12", blockMetadata: true')
    (folder / "cluster.yaml").write_text(more)
    made(folder, "render", "cluster.yaml", "--node", "w1")
    manifest = manifest_of(folder / "out")
    unit = "/etc/systemd/system/khgen-metadata.service"
    listed = {
        name: unit in manifest["fileLists"][node["fileList"]]
        for name, node in manifest["nodes"].items()
    }
    assert listed == {"cp1": False, "cp2": False, "cp3": False, "w1": True}
    made(folder, "render", "cluster.yaml")


def test_a_file_or_a_place_below_a_file_is_no_folder(folder: Path) -> None:
    (folder / "file").write_text("mine")
    assert refused(folder, "render", "cluster.yaml", "-o", "file", code=3) == (
        "khgen: error: file: is not a folder: name another folder with -o\n"
    )
    assert refused(folder, "render", "cluster.yaml", "-o", "file/out", code=3) == (
        f"khgen: error: {folder}/file: is not a folder\n"
    )


def folder_modes(folder: Path) -> set[int]:
    folders = (folder, *(path for path in folder.rglob("*") if path.is_dir()))
    return {stat.S_IMODE(path.stat().st_mode) for path in folders}


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("out", ("render", "cluster.yaml")),
        ("out", ("render", "cluster.yaml", "--node", "w1")),
        ("seeds", ("seed", "out", "--format", "dir")),
        ("seeds", ("seed", "out", "--format", "dir", "--node", "w1")),
        ("incus", ("export", "incus", "out")),
    ],
)
def test_every_folder_ends_up_closed(folder: Path, target: str, command: tuple[str, ...]) -> None:
    if target == "seeds":
        made(folder, "seed", "out", "--format", "dir")
    (folder / target).mkdir(exist_ok=True)
    for path in (folder / target, *(folder / target).rglob("*")):
        if path.is_dir():
            path.chmod(0o777)
    made(folder, *command)
    assert folder_modes(folder / target) == {0o700}


def test_a_seed_that_was_replaced_is_not_kept(folder: Path) -> None:
    made(folder, "seed", "out")
    (folder / "seeds/cp1.iso").write_bytes(b"another user's")
    said = refused(folder, "seed", "out", "--node", "w1", code=3)
    assert said == (
        "khgen: error: seeds/cp1.iso: changed since khgen wrote it:"
        " write the files of node 'cp1' anew\n"
    )
    made(folder, "seed", "out", "--node", "w1", "--node", "cp1")
    (folder / "seeds/cp2.iso").unlink()
    made(folder, "seed", "out", "--node", "w1")
    assert sorted(p.name for p in (folder / "seeds").glob("*.iso")) == [
        "cp1.iso",
        "cp3.iso",
        "w1.iso",
    ]
