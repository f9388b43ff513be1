"""A bundle: what goes in comes out, for khgen and for khgen-place, which unpacks it on a node."""

import lzma
import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path, PurePosixPath
from textwrap import wrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khgen.bundle.archive import VERSION, BundleError, bundle_of, files_of_bundle
from khgen.plan.cluster_plan import NodeFile
from khgen.resources import verbatim
from support.rendering import EXAMPLES, example_render

PEM = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"


def odd_pem(der: bytes) -> str:
    lines = "\n".join(wrap(b64encode(der).decode(), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


ODD_TEXTS = (
    "",
    "\n",
    "no line's end",
    "\u00e9\U0001f600 \x04\x7f\r\n",
    PEM,
    f"before {PEM}{PEM}after",
    PEM.replace("QUJD", "QUJ\nD"),
    PEM.replace("QUJD", "QUJE="),
    PEM.replace("END CERTIFICATE", "END KEY"),
    "client-key-data: QUJD\n",
    "client-key-data: A\n",
    odd_pem(b"\3\x42\0\4" + 64 * b"x"),
    odd_pem(b"\3\x42\0\2" + 64 * b"x"),
    odd_pem(70000 * b"x"),
)


def file(path: str, content: str, mode: int = 0o644) -> NodeFile:
    return NodeFile(path=PurePosixPath(path), content=content, mode=mode)


def control_plane_files(example: str) -> tuple[NodeFile, ...]:
    render = example_render(example)
    return render.node(render.plan.control_planes[0]).files


def khgen_place(bundle: bytes, root: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", verbatim("khgen-place"), str(root)]
    return subprocess.run(command, input=bundle, capture_output=True, check=False)


def placed(root: Path) -> dict[str, tuple[str, int]]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return {
        f"/{path.relative_to(root)}": (path.read_bytes().decode(), path.stat().st_mode & 0o7777)
        for path in files
    }


def expected(files: tuple[NodeFile, ...]) -> dict[str, tuple[str, int]]:
    return {str(f.path): (f.content, f.mode) for f in files}


@pytest.mark.parametrize("example", EXAMPLES)
def test_khgen_and_the_node_find_the_files_that_went_in(example: str, tmp_path: Path) -> None:
    files = control_plane_files(example)
    bundle = bundle_of(files)
    assert files_of_bundle(bundle) == files
    done = khgen_place(bundle, tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert placed(tmp_path) == expected(files)


def test_odd_texts_come_out_as_they_went_in(tmp_path: Path) -> None:
    files = tuple(file(f"/a/{n}", text, 0o600 + n) for n, text in enumerate(ODD_TEXTS))
    bundle = bundle_of(files)
    assert files_of_bundle(bundle) == files
    assert khgen_place(bundle, tmp_path).returncode == 0
    assert placed(tmp_path) == expected(files)


@given(st.lists(st.text(st.characters(min_codepoint=4, codec="utf-8"))))
def test_any_text_comes_out_as_it_went_in(texts: list[str]) -> None:
    files = tuple(file(f"/{n}", text) for n, text in enumerate(texts))
    assert files_of_bundle(bundle_of(files)) == files


@pytest.mark.parametrize("mark", ["\0", "\1", "\2", "\3"])
def test_a_mark_in_a_content_is_refused(mark: str) -> None:
    with pytest.raises(ValueError, match="/a has a byte"):
        bundle_of([file("/a", f"x{mark}")])


def test_it_is_the_same_for_the_same_files_and_hides_no_names() -> None:
    files = control_plane_files("single")
    assert bundle_of(files) == bundle_of(files)
    assert lzma.decompress(bundle_of(files)).startswith(VERSION + b"\x00755 /usr/local/sbin/")


def test_a_damaged_bundle_places_nothing(tmp_path: Path) -> None:
    bundle = bundle_of(control_plane_files("dedicated-lb"))
    middle = len(bundle) // 2
    changed = bundle[:middle] + bytes([bundle[middle] ^ 1]) + bundle[middle + 1 :]
    other = lzma.compress(b"khgen-bundle 2\x00644 /a\nx\0\0")
    for damaged in (b"", bundle[:20], bundle[:middle], bundle[:-1], changed, other):
        with pytest.raises(BundleError):
            files_of_bundle(damaged)
        done = khgen_place(damaged, tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith(b"khgen-place: the user-data did not arrive whole: ")
        assert placed(tmp_path) == {}


def test_files_are_placed_in_order_and_the_first_that_cannot_be_ends_it(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("in the way of a folder")
    done = khgen_place(bundle_of([file("/a", "1"), file("/b/c", "2"), file("/d", "3")]), tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(b"khgen-place: a file cannot be written: ")
    assert str(tmp_path / "b").encode() in done.stderr
    assert set(placed(tmp_path)) == {"/a", "/b"}


def test_it_runs_again_over_what_a_lost_power_left(tmp_path: Path) -> None:
    files = (file("/a/key", "new", 0o600), file("/a/b", "2", 0o755))
    (tmp_path / "a").mkdir()
    (tmp_path / "a/key").write_text("old")
    (tmp_path / "a/key").chmod(0o644)
    (tmp_path / "a/key.khgen-new").write_text("ne")
    reader = (tmp_path / "a/key").open(encoding="utf-8")
    for _ in range(2):
        assert khgen_place(bundle_of(files), tmp_path).returncode == 0
        assert placed(tmp_path) == expected(files)
    with reader:
        assert reader.read() == "old", "whoever reads a file while it is replaced sees one of both"


@pytest.mark.skipif(os.geteuid() != 0, reason="a file system of its own needs root")
def test_a_full_disk_is_reported_and_leaves_files_whole(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=16k tmpfs "$1" && python3 -c "$2" "$1"; ls -A "$1"'
    files = [file("/a", "1"), file("/b", 90000 * "x")]
    command = ["unshare", "-m", "bash", "-c", script, "-", str(tmp_path), verbatim("khgen-place")]
    done = subprocess.run(command, input=bundle_of(files), capture_output=True, check=False)
    assert b"khgen-place: a file cannot be written: [Errno 28] No space left" in done.stderr
    assert b"b" not in done.stdout.split()
