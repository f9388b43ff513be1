"""A khgen that ends early releases locks, processes and temporary files."""

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from khgen.disk.locks import (
    FolderBusyError,
    clear_stale,
    locked_folder,
    temporary_file,
    temporary_folder,
)

STALE = ".prod.secrets.yaml.khgen-0123456789abcdef"
PATIENCE = 30

HOLDER = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from khgen.disk.locks import locked_folder
    with locked_folder(Path(sys.argv[1])):
        child = os.fork()
        if child == 0:
            signal.pause()
        print(child, flush=True)
        signal.pause()
    """
)


def test_a_forked_process_does_not_keep_the_lock(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        try:
            with pytest.raises(FolderBusyError), locked_folder(tmp_path, patience=0.1):
                pass
            holder.kill()
            holder.wait(PATIENCE)
            with locked_folder(tmp_path, patience=PATIENCE):
                os.kill(child, 0)  # It is alive, and does not have the lock.
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_wait_names_who_holds_the_lock_and_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        try:
            with pytest.raises(FolderBusyError) as caught, locked_folder(tmp_path, patience=1.5):
                pass
        finally:
            os.kill(child, signal.SIGKILL)
            holder.kill()
    assert caught.value.filename == str(tmp_path)
    waiting = capsys.readouterr().err
    assert waiting.startswith("khgen: waiting for ")
    assert waiting.endswith(f"which works in {tmp_path}\n")
    if Path("/proc/locks").exists():
        assert f"(process {holder.pid})" in waiting
        assert f"(process {holder.pid})" in str(caught.value)


def test_leftovers_of_a_killed_khgen_are_removed(tmp_path: Path) -> None:
    (tmp_path / STALE).write_text("a key")
    folder = tmp_path / ".out.khgen-fedcba9876543210"
    (folder / "nodes").mkdir(parents=True)
    (folder / "nodes" / "user-data").write_text("a key")
    clear_stale(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_temporary_files_in_use_are_kept(tmp_path: Path) -> None:
    with (
        temporary_file(tmp_path / "a.yaml", b"key") as file,
        temporary_folder(tmp_path / "out") as folder,
    ):
        clear_stale(tmp_path)
        assert file.read_bytes() == b"key"
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        ".out.khgen-original",
        ".out.khgen-old",
        "out.khgen-0123456789abcdef",
        ".khgen-0123456789abcdef",
        ".out.khgen-0123456789ABCDEF",
        ".out.khgen-0123456789abcdef.bak",
    ],
)
def test_a_name_that_a_person_might_give_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    clear_stale(tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_links_and_pipes_of_that_name_are_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "file").write_text("mine")
    (tmp_path / STALE).symlink_to(target)
    os.mkfifo(tmp_path / STALE.replace("prod", "pipe"))
    clear_stale(tmp_path)
    assert (target / "file").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_files_of_another_user_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / STALE
    path.write_text("theirs")
    os.chown(path, 65534, 65534)
    clear_stale(tmp_path)
    assert path.read_text() == "theirs"


IN_USE = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from khgen.disk.system_calls import take_signals
    from khgen.disk.locks import temporary_folder
    from khgen.cli.outcome import EndedError, ending_in_order
    try:
        with ending_in_order(), temporary_folder(Path(sys.argv[1])) as folder:
            (folder / "key").write_text("key")
            print("begun", flush=True)
            while True:
                time.sleep(0.01)
                take_signals()
    except EndedError as ended:
        sys.exit(128 + ended.number)
    """
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_clears_what_was_begun(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", IN_USE, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        assert process.wait(PATIENCE) == 128 + number
    assert list(tmp_path.iterdir()) == []


def test_a_command_waits_for_the_lock_and_can_be_interrupted(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    script = "from pathlib import Path; from khgen.disk.locks import locked_folder\n"
    script += f"with locked_folder(Path({str(tmp_path)!r})): pass"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("khgen: waiting for ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == -signal.SIGTERM
    os.close(descriptor)
