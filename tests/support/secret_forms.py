"""The forms in which a secret would stand in a text, for tests that search for it."""

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator

SHORTEST = 16
"""Base64 of fewer characters could stand in a text by chance."""


def forms(secret: bytes | str) -> Iterator[str]:
    """A secret as text, or its bytes in hex and base64; each also within something in base64."""
    if isinstance(secret, str):
        yield from _plain_and_embedded(secret)
        return
    yield from (secret.hex(), secret.hex().upper())
    yield from _within_base64(secret)
    for text in (secret.hex(), b64encode(secret).decode(), urlsafe_b64encode(secret).decode()):
        yield from _plain_and_embedded(text)


def _plain_and_embedded(text: str) -> Iterator[str]:
    yield text
    if len(text) >= SHORTEST:
        yield from _within_base64(text.encode())


def _within_base64(secret: bytes) -> Iterator[str]:
    """Its part of a longer base64: three forms, by the place of its first byte."""
    for offset in range(3):
        yield b64encode(b" " * offset + secret).decode()[4:-4]
