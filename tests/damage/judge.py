"""What became of a damaged secrets file: refused with a place, the same secrets, or accepted."""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path

import yaml

from damage.cases import Damage
from khgen.disk.secrets_file import load
from khgen.pki.secrets_decode import SealCheck
from khgen.pki.secrets_encode import encode_secrets
from support.fixed import FIXED_NOW

SHOWN = 12
"""So many characters of a key, one after the other, are a leak."""


class Outcome(StrEnum):
    """What khgen made of a damage; the last two are defects."""

    REFUSED = "refused"
    SAME = "the same secrets"
    ACCEPTED = "accepted"
    UNCLEAR = "refused without a place, a hint, or discretion"


class Judge:
    """Loads damaged files as every command does, and compares with what was whole."""

    def __init__(self, text: str, folder: Path, key: bytes | None = None) -> None:
        """A judge of damages of that text; `folder` takes the damaged file."""
        self._whole = yaml.safe_load(text)
        self._path = folder / "tested.secrets.yaml"
        self._key = key
        self._secret = frozenset(_secret_parts(text))
        self._path.touch(mode=0o600)

    def outcomes(self, damages: Iterable[Damage]) -> Iterator[tuple[Damage, Outcome]]:
        """Each damage with its outcome."""
        for damage in damages:
            yield damage, self.outcome(damage)

    def outcome(self, damage: Damage) -> Outcome:
        """What becomes of that file."""
        self._path.write_bytes(damage.content)
        loaded = load(self._path, "tested", now=FIXED_NOW, seal=SealCheck(key=self._key))
        if loaded.secrets is not None:
            # Not by the text: the order of a mapping's keys means nothing.
            same = yaml.safe_load(encode_secrets(loaded.secrets, self._key)) == self._whole
            return Outcome.SAME if same and not loaded.problems else Outcome.ACCEPTED
        errors = loaded.problems.errors
        clear = bool(errors) and all(
            problem.hint and problem.place.file == str(self._path) and problem.place.line >= 1
            for problem in errors
        )
        said = " ".join(f"{problem.message} {problem.hint}" for problem in errors)
        return Outcome.REFUSED if clear and not self._leaks(said) else Outcome.UNCLEAR

    def _leaks(self, said: str) -> bool:
        words = re.findall(rf"[A-Za-z0-9+/=]{{{SHOWN},}}", said)
        parts = (word[at : at + SHOWN] for word in words for at in range(len(word) - SHOWN + 1))
        return any(part in self._secret for part in parts)


def _secret_parts(text: str) -> Iterator[str]:
    document = yaml.safe_load(text)
    values = [document["seed"], document["encryptionKey"], document["serviceAccount"]["key"]]
    values += [authority["key"] for authority in document["authorities"].values()]
    for value in values:
        lines = [line for line in value.splitlines() if "-----" not in line]
        for line in lines:
            yield from (line[at : at + SHOWN] for at in range(len(line) - SHOWN + 1))
