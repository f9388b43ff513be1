"""Waiting for something that another process does."""

import os
import time
from collections.abc import Callable

PATIENCE = 120
"""Seconds; whatever is waited for usually ends it at once."""

PACKERS_LAST_WORDS = ("Cleanly cancelled builds", "no artifacts were created")
"""After an interrupt: by whether Packer noticed it before the end of what it ran."""


def wait_until(true: Callable[[], bool]) -> None:
    """Wait until it is true; the test fails where it never is."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def alive(number: int) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True
