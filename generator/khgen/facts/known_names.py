"""Names that a program knows, minor by minor: flags, feature gates, fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from khgen.facts.version import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class NameChange:
    """What a minor adds and removes, in words."""

    added: str = ""
    removed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownNames:
    """The names of the first minor, and what each later one changes."""

    first: str
    later: Mapping[str, NameChange] = field(default_factory=dict)
    """By minor, oldest first."""

    def of(self, minor: str) -> frozenset[str]:
        """The names that the minor knows."""
        return _names(self, minor)

    def added_in(self, name: str) -> str | None:
        """The minor that adds the name; None if the first minor has it, or none has it."""
        return next((m for m, change in self.later.items() if name in change.added.split()), None)

    def removed_in(self, name: str) -> str | None:
        """The minor that removes the name; None if there is none."""
        return next((m for m, change in self.later.items() if name in change.removed.split()), None)


@lru_cache(maxsize=256)
def _names(known: KnownNames, minor: str) -> frozenset[str]:
    names = set(known.first.split())
    for first, change in known.later.items():
        if is_before(minor, first):
            break
        names = (names - set(change.removed.split())) | set(change.added.split())
    return frozenset(names)


def is_before(minor: str, other: str) -> bool:
    """Whether the minor is older than the other one, like 1.29 and 1.30."""
    return Version.parse(minor) < Version.parse(other)
