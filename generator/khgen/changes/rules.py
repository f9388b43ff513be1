"""What a row of the table of keys holds, and how far a change reaches into machines that are up."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from khgen.spec.model import NodeRole

_KUBERNETES = frozenset({NodeRole.CONTROL_PLANE, NodeRole.WORKER})


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
        Effect.NEW_MACHINE: "only machines that boot for the first time get it",
        Effect.RELOAD: "a service reads its configuration again;"
        " today: the machine gets its new seed and reboots",
        Effect.RESTART: "programs restart with it;"
        " today: the machine gets its new seed and reboots, one machine at a time",
        Effect.DRAIN: "the node's pods have to move to other nodes first",
        Effect.REPLACE: "the machine has to be replaced: khgen node replace, one at a time",
        Effect.NOT_POSSIBLE: "a running cluster cannot change it: it needs a new cluster",
    }
)
"""Each effect in one clause."""


def strongest(effects: Iterable[Effect]) -> Effect:
    """The most disruptive of these; nothing where there are none."""
    return max(effects, key=_ORDER.__getitem__, default=Effect.NOTHING)


class Concerned(StrEnum):
    """Which machines a key concerns."""

    EVERYONE = "every machine"
    CONTAINER_HOSTS = "all but load balancers"
    KUBERNETES = "control planes, workers"
    CONTROL_PLANES = "control planes"
    ETCD = "etcd members"
    LOAD_BALANCERS = "load balancers"
    ITSELF = "the node itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRule:
    """What a change of one key means: how far it reaches, where, and what happens and is to do."""

    effect: Effect
    concerned: Concerned
    means: str


def table(rows: Mapping[str, tuple[Effect, Concerned, str]]) -> Mapping[str, KeyRule]:
    """The rows of a literal table as rules."""
    return MappingProxyType(
        {
            key: KeyRule(effect=effect, concerned=concerned, means=means)
            for key, (effect, concerned, means) in rows.items()
        }
    )


_ROLES: Mapping[Concerned, frozenset[NodeRole]] = MappingProxyType(
    {
        Concerned.EVERYONE: frozenset(NodeRole),
        Concerned.CONTAINER_HOSTS: frozenset(NodeRole) - {NodeRole.LOAD_BALANCER},
        Concerned.KUBERNETES: _KUBERNETES,
        Concerned.CONTROL_PLANES: frozenset({NodeRole.CONTROL_PLANE}),
        Concerned.ETCD: frozenset({NodeRole.ETCD}),
        Concerned.LOAD_BALANCERS: frozenset({NodeRole.LOAD_BALANCER}),
        Concerned.ITSELF: frozenset(),
    }
)


def concerns(concerned: Concerned, role: NodeRole, present: Collection[NodeRole]) -> bool:
    """Whether a node of that role is meant, in a cluster that has nodes of the roles `present`.

    Control planes are the etcd members and the load balancers of clusters without such hosts.
    """
    roles = _ROLES[concerned]
    return role in roles or (
        bool(roles) and not roles & set(present) and role is NodeRole.CONTROL_PLANE
    )
