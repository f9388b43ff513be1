"""The output folder: swapped in whole, never half-written, never somebody else's."""

import errno
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from khgen.disk.manifest import MANIFEST
from khgen.disk.owned_folder import OutputRefusedError
from khgen.disk.staging import staged


def listed(out: Path) -> frozenset[str]:
    """What these tests write, as a listing would have it."""
    (out / MANIFEST).stat()
    slow = (f"nodes/a/{number}" for number in range(200))
    return frozenset((MANIFEST, "nodes/a/user-data", "nodes/a/half", *slow))


def put(out: Path, text: str) -> None:
    with staged(out, listed) as staging:
        staging.make_folders(("nodes", "nodes/a"))
        staging.write("nodes/a/user-data", text.encode())
        staging.write(MANIFEST, b"{}")


def tree(out: Path) -> dict[str, str]:
    return {str(p.relative_to(out)): p.read_text() for p in out.rglob("*") if p.is_file()}


def test_a_second_render_replaces_the_first_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    put(out, "one")
    (out / "nodes" / "a" / "half").write_text("left by the first")
    put(out, "two")
    assert tree(out) == {"nodes/a/user-data": "two", MANIFEST: "{}"}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_without_an_atomic_exchange_the_result_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("khgen.disk.staging._exchange", lambda *_: False)
    out = tmp_path / "out"
    put(out, "one")
    put(out, "two")
    assert tree(out)["nodes/a/user-data"] == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_output_that_was_moved_aside_when_the_process_died_is_put_back(tmp_path: Path) -> None:
    out = tmp_path / "out"
    put(out, "one")
    out.rename(tmp_path / ".out.khgen-a1b2c3d4-old")
    with pytest.raises(RuntimeError), staged(out, listed):
        raise RuntimeError
    assert tree(out)["nodes/a/user-data"] == "one"


def test_a_failure_leaves_the_old_output_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    put(out, "one")
    with pytest.raises(FileExistsError), staged(out, listed) as staging:
        for _ in range(2):
            staging.write("half", b"written")
    assert tree(out) == {"nodes/a/user-data": "one", MANIFEST: "{}"}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_nothing_is_open_to_others_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        put(tmp_path / "deep" / "er" / "out", "secret")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    for path in (tmp_path / "deep").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "home"
    out.mkdir()
    (out / "thesis.txt").write_text("three years")
    with pytest.raises(OutputRefusedError) as caught:
        put(out, "one")
    assert caught.value.errno == errno.ENOTEMPTY
    assert tree(out) == {"thesis.txt": "three years"}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    with pytest.raises(OutputRefusedError):
        put(tmp_path / "out", "one")
    assert list((tmp_path / "real").iterdir()) == []


SLOW_RENDER = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from khgen.disk.manifest import MANIFEST
    from khgen.disk.staging import staged
    names = frozenset((MANIFEST, *(f"nodes/a/{number}" for number in range(200))))
    with staged(Path(sys.argv[1]), lambda out: names) as staging:
        staging.make_folders(("nodes", "nodes/a"))
        print("begun", flush=True)
        for number in range(200):
            staging.write(f"nodes/a/{number}", sys.argv[2].encode())
            time.sleep(float(sys.argv[3]))
        staging.write(MANIFEST, b"{}")
    """
)


def slow_render(out: Path, text: str, pause: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SLOW_RENDER, str(out), text, str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_for_begun(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1, 0.2, 0.3])
def test_a_killed_render_leaves_the_old_or_the_new_output(tmp_path: Path, delay: float) -> None:
    out = tmp_path / "out"
    with slow_render(out, "old", 0) as first:
        assert first.wait(30) == 0
    with slow_render(out, "new", 0.001) as second:
        wait_for_begun(second)
        time.sleep(delay)
        second.send_signal(signal.SIGKILL)
    contents = set(tree(out).values()) - {"{}"}
    assert contents in ({"old"}, {"new"})
    put(out, "next")
    assert [p.name for p in tmp_path.iterdir()] == ["out"], "the leftover is cleared"


def test_two_renders_at_once_follow_one_another(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with slow_render(out, "first", 0.002) as first:
        wait_for_begun(first)
        with slow_render(out, "second", 0) as second:
            assert first.wait(30) == 0
            assert second.wait(30) == 0
    assert set(tree(out).values()) == {"second", "{}"}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
