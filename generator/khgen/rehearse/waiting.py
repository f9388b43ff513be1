"""Bounded waits that say what they waited for."""

import time
from collections.abc import Callable

from khgen.rehearse.programs import ProgramError


def wait_until(true: Callable[[], bool], seconds: float, what: str, every: float = 0.2) -> float:
    """Wait until something is true; returns how long that took, or raises ProgramError."""
    since = time.monotonic()
    while not true():
        if time.monotonic() - since > seconds:
            message = f"waited {seconds:.0f} s in vain for {what}"
            raise ProgramError(message)
        time.sleep(every)
    return time.monotonic() - since
