"""The signals that end a program, all taken like ^C, so that everything is cleared."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130
"""What a shell says of a program that ^C ended."""


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Raise KeyboardInterrupt in the block for each of these signals."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = {n: signal.signal(n, interrupt) for n in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
