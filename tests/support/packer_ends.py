"""What tests know about Packer when they wait for it."""

import os

PATIENCE = 120
"""Seconds; whatever is waited for usually ends it at once."""

PACKERS_LAST_WORDS = ("Cleanly cancelled builds", "no artifacts were created")
"""After an interrupt: by whether Packer noticed it before the end of what it ran."""


def alive(number: int) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True
