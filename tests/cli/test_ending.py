"""How commands end early: exit codes, and no output if nobody reads it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from khgen.cli.outcome import EndedError, ending_in_order
from khgen.disk.locks import locked_folder
from support.command import SMALL_SPEC, khgen

KHGEN = (sys.executable, "-m", "khgen")
CLOSED_PIPE = 128 + signal.SIGPIPE


def into_a_closed_pipe(*arguments: str, cwd: Path) -> tuple[int, str]:
    """The exit code and what stands on standard error, where nobody reads standard output."""
    with subprocess.Popen(
        [*KHGEN, *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        return process.wait(60), process.stderr.read()


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("render", "--help"), ("schema",), ("render", "cluster.yaml", "--check")],
    ids=" ".join,
)
def test_a_closed_pipe_is_no_error_in_the_input(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "cluster.yaml").write_text(SMALL_SPEC)
    assert into_a_closed_pipe(*arguments, cwd=tmp_path) == (CLOSED_PIPE, "")


def test_a_closed_pipe_does_not_undo_a_render(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(SMALL_SPEC)
    code, said = into_a_closed_pipe("render", "cluster.yaml", "--format", "json", cwd=tmp_path)
    assert (code, said) == (CLOSED_PIPE, "")
    assert khgen("diff", "cluster.yaml", cwd=tmp_path).returncode == 0


def test_full_output_is_an_error_of_its_own(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*KHGEN, "schema"],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 3
    assert done.stderr == "khgen: error: No space left on device\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_has_its_exit_code(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "cluster.yaml").write_text(SMALL_SPEC)
    with (
        locked_folder(tmp_path),
        subprocess.Popen(
            [*KHGEN, "render", "cluster.yaml"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stderr is not None
        assert process.stderr.readline().startswith("khgen: waiting for ")
        process.send_signal(number)
        assert process.stderr.read() == "khgen: interrupted\n"
        assert process.wait(60) == 128 + number
    assert [path.name for path in tmp_path.iterdir()] == ["cluster.yaml"]


def test_a_signal_that_a_library_takes_for_a_failure_still_ends_the_command() -> None:
    with pytest.raises(EndedError) as caught, ending_in_order():
        try:
            signal.raise_signal(signal.SIGTERM)
        except EndedError as ended:
            raise RuntimeError from ended
    assert caught.value.number == signal.SIGTERM
