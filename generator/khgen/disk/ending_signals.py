"""The signals that end a program, taken only where nothing is half done."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def held_signals() -> Iterator[None]:
    """Hold these signals back in the block, so that what it makes is cleared in any case.

    One that comes meanwhile acts at `take_signals`, or after the block. Processes that are forked
    in the block hold them back too: such a signal is for their parent to answer.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def take_signals() -> None:
    """Let a signal that was held back act here: its handler raises, or the process ends."""
    if not signal.sigpending().isdisjoint(ENDING):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
