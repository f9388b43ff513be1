"""Runs programs of this machine, reports what they print when they fail, and waits with a bound."""

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path


class ProgramError(Exception):
    """An external program failed or is missing; the text is for the user."""


def run(
    command: Sequence[str | Path], *, text: str | None = None, seconds: float | None = None
) -> str:
    """Standard output of a program that must succeed; `text` is its standard input."""
    done = try_run(command, text=text, seconds=seconds)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        message = f"{' '.join(map(str, command))} ended with {done.returncode}:\n{said}"
        raise ProgramError(message)
    return done.stdout


def try_run(
    command: Sequence[str | Path], *, text: str | None = None, seconds: float | None = None
) -> subprocess.CompletedProcess[str]:
    """A program's output and exit code; a failure raises nothing."""
    words = [str(word) for word in command]
    stdin = {"input": text} if text is not None else {"stdin": subprocess.DEVNULL}
    try:
        return subprocess.run(  # noqa: S603 - the commands are ours, none comes from the spec
            words,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
            start_new_session=True,  # khgen handles ^C
            **stdin,
        )
    except FileNotFoundError:
        message = f"there is no program '{words[0]}' on this machine"
        raise ProgramError(message) from None
    except subprocess.TimeoutExpired:
        message = f"{' '.join(words)} did not end within {seconds:.0f} s"
        raise ProgramError(message) from None


def wait_until(true: Callable[[], bool], seconds: float, what: str, every: float = 0.2) -> float:
    """Wait until something is true; returns how long that took, or raises ProgramError."""
    since = time.monotonic()
    while not true():
        if time.monotonic() - since > seconds:
            message = f"timed out after {seconds:.0f} s waiting for {what}"
            raise ProgramError(message)
        time.sleep(every)
    return time.monotonic() - since
