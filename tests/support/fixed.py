"""TEST ONLY: secrets from a fixed clock and known entropy. Whoever reads this file knows the keys."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

from khgen.pki.secrets import Secrets, new_secrets
from khgen.spec.model import ClusterSpec

FIXED_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def fixed_secrets(spec: ClusterSpec) -> Secrets:
    """The secrets of a first render at FIXED_NOW, the same for every run of the tests."""
    return new_secrets(spec, FIXED_NOW, known_entropy("khgen tests"))


def known_entropy(seed: str) -> Callable[[int], bytes]:
    """Bytes that look random and are always the same."""
    stream = hashlib.shake_256(f"not secret: {seed}".encode()).digest(1 << 16)
    position = 0

    def random_bytes(count: int) -> bytes:
        nonlocal position
        position += count
        return stream[position - count : position]

    return random_bytes
