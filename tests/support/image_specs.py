"""Specs with an image, for tests."""

CHECKSUM = f"sha256:{'0' * 64}"
"""Of no file at all."""
