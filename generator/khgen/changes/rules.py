"""What a row of the table of keys holds."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from khgen.changes.effect import Effect
from khgen.spec.model import NodeRole


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


_KUBERNETES = frozenset({NodeRole.CONTROL_PLANE, NodeRole.WORKER})
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
