"""Secrets files that a test changed, sealed anew."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from khgen.pki.secrets_encode import SEAL, sealed_text


def sealed(document: object, key: bytes | None = None) -> str:
    """A document as a secrets file whose seal holds, whatever else is wrong with it."""
    if not isinstance(document, Mapping):
        return yaml.safe_dump(document)
    content = {name: value for name, value in document.items() if name != SEAL}
    return sealed_text(yaml.safe_dump(content, sort_keys=False), key)


def reseal(path: Path, text: str | None = None) -> None:
    """Seal a secrets file anew, with another text or with its own."""
    document = yaml.safe_load(path.read_text() if text is None else text)
    path.write_text(sealed(document))
