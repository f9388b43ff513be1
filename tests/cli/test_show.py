"""`khgen show`: the files of one machine, read from an output folder."""

import base64
import gzip
import stat
from pathlib import Path

import pytest

from khgen.bundle.update_bundle import BUNDLE_FILES
from khgen.bundle.user_data import files_of_user_data
from support.command import SMALL_SPEC, khgen
from support.rendered_out import manifest_of, node_files, with_datasource, write_out
from support.rendering import render_of, spec_of


@pytest.mark.parametrize("datasource", ["nocloud", "ec2", "hetzner"])
def test_every_file_is_shown_as_the_user_data_delivers_it(tmp_path: Path, datasource: str) -> None:
    spec = with_datasource(SMALL_SPEC, datasource)
    write_out(tmp_path, spec)
    render = render_of(spec_of(spec))
    wanted = {str(f.path): f for f in render.node(render.plan.by_name["cp1"]).files}
    lines = khgen("show", "cp1", cwd=tmp_path).stdout.splitlines()
    listed = {line.split()[2]: (line.split()[0], line.split()[1]) for line in lines}
    given = {"user-data", "meta-data", *(f"update/{name}" for name in BUNDLE_FILES)}
    assert listed.keys() == wanted.keys() | given
    for path, file in wanted.items():
        assert listed[path] == (f"{file.mode:04o}", f"{len(file.content.encode()):,}")
    done = khgen("show", "cp1", "/etc/kubernetes/pki/ca.crt", cwd=tmp_path)
    assert done.stdout == wanted["/etc/kubernetes/pki/ca.crt"].content
    plain = khgen("show", "cp1", "user-data", cwd=tmp_path).stdout.encode()
    delivered = (tmp_path / "out/nodes/cp1/user-data").read_bytes()
    if datasource == "hetzner":
        delivered = base64.b64decode(delivered)
    assert plain == (delivered if datasource == "nocloud" else gzip.decompress(delivered))


def test_a_baked_file_comes_from_the_tree_of_the_kind(tmp_path: Path) -> None:
    assert khgen("init", "air-gap", cwd=tmp_path).returncode == 0
    assert khgen("render", "cluster.yaml", cwd=tmp_path).returncode == 0
    out = tmp_path / "out"
    name, entry = next(iter(manifest_of(out)["nodes"].items()))
    user_data = (out / "nodes" / name / "user-data").read_bytes()
    placed = {str(file.path) for file in files_of_user_data(user_data)}
    kind = out / "kinds" / entry["kind"] / "rootfs"
    baked = [
        path for path in manifest_of(out)["fileLists"][entry["fileList"]] if path not in placed
    ]
    assert baked
    files = node_files(out, name)
    for path in baked:
        assert files[path] == Path(f"{kind}{path}").read_bytes()
    Path(f"{kind}{baked[0]}").write_text("edited")
    done = khgen("show", name, cwd=tmp_path)
    assert done.returncode == 1
    assert f"{baked[0]}:1:1: error: changed since it was rendered" in done.stderr


def test_a_written_tree_is_the_operators_alone_and_replaces_no_other_file(tmp_path: Path) -> None:
    write_out(tmp_path, SMALL_SPEC)
    assert khgen("show", "w1", "--write", "w1", cwd=tmp_path).returncode == 0
    for path in (tmp_path / "w1", *(tmp_path / "w1").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    for name, content in node_files(tmp_path / "out", "w1").items():
        assert Path(f"{tmp_path}/w1/rootfs{name}").read_bytes() == content
    assert khgen("show", "w1", "--write", "w1", cwd=tmp_path).returncode == 0
    (tmp_path / "w1/notes").write_text("mine")
    done = khgen("show", "cp1", "--write", "w1", cwd=tmp_path)
    assert done.returncode == 3
    assert "w1: holds notes that khgen did not write" in done.stderr
    assert (tmp_path / "w1/notes").read_text() == "mine"
    inside = khgen("show", "w1", "--write", "out/files", cwd=tmp_path)
    assert inside.returncode == 2
    assert not (tmp_path / "out/files").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("cp9",), 2, "cp9"),
        (("cp1", "/etc/host"), 2, "cp1 has no file '/etc/host': `khgen show cp1` lists its files"),
        (("cp1", "/etc/hosts", "--write", "x"), 2, "exclude each other"),
        (("cp1", "-o", "nowhere"), 3, "khgen render writes it"),
    ],
)
def test_what_cannot_be_shown(
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    write_out(tmp_path, SMALL_SPEC)
    done = khgen("show", *arguments, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert done.stdout == ""
