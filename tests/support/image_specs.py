"""What specs with an image say in tests."""

CHECKSUM = f"sha256:{'0' * 64}"
"""Of no file at all."""
