"""How far a change reaches into machines that are up."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType


class Effect(StrEnum):
    """What it takes to bring a change into force on a living cluster, least disruption first."""

    NOTHING = "nothing"
    NEW_MACHINE = "new machine"
    RELOAD = "reload"
    RESTART = "restart"
    DRAIN = "drain"
    REPLACE = "replace"
    NOT_POSSIBLE = "not possible"


_ORDER = {effect: number for number, effect in enumerate(Effect)}

MEANINGS: Mapping[Effect, str] = MappingProxyType(
    {
        Effect.NOTHING: "no machine has to change",
        Effect.NEW_MACHINE: "only machines that boot for the first time from now on have it",
        Effect.RELOAD: "a service reads its configuration again;"
        " today: the machine gets its new seed and reboots",
        Effect.RESTART: "programs start again with it;"
        " today: the machine gets its new seed and reboots, one machine at a time",
        Effect.DRAIN: "the node's pods have to move to other nodes first",
        Effect.REPLACE: "the machine has to be replaced: khgen node replace, one at a time",
        Effect.NOT_POSSIBLE: "a living cluster cannot change it: it needs a new cluster",
    }
)
"""Each effect in one clause."""


def strongest(effects: Iterable[Effect]) -> Effect:
    """The most disruptive of these; nothing where there are none."""
    return max(effects, key=_ORDER.__getitem__, default=Effect.NOTHING)
