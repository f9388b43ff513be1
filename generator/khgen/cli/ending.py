"""How a command ends before it is done: by a signal, or because nobody reads its output."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from khgen.cli.outcome import Exit
from khgen.disk.system_calls import ENDING


class EndedError(BaseException):
    """A signal ended the command; no Exception, so that nothing takes it for a failure."""

    def __init__(self, number: int) -> None:
        """With the signal's number."""
        super().__init__(number)
        self.number = number


def exit_code(number: int) -> Exit:
    """What a shell reports of a program that this signal ended."""
    return Exit(128 + number)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Raise EndedError in the block for the first of these signals, and ignore all after it.

    What is begun is cleared on the way out, and nothing disturbs that. A signal that was ignored
    before stays ignored (nohup). Where a library took EndedError for a failure of its own, and
    raised another exception in its place, it is EndedError again.
    """
    came: list[int] = []
    handled = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        for each in handled:
            signal.signal(each, signal.SIG_IGN)
        came.append(number)
        raise EndedError(number)

    before = {number: signal.signal(number, end) for number in handled}
    try:
        yield
    except Exception:
        if came:
            raise EndedError(came[0]) from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def closed_pipe_ends() -> Iterator[None]:
    """End the command as SIGPIPE would, where nobody reads its output any more."""
    try:
        yield
    except BrokenPipeError:
        raise EndedError(signal.SIGPIPE) from None


def forget_unread_output() -> None:
    """Let Python's own end not fail for output that cannot be written (its manual on SIGPIPE)."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
