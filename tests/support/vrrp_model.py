"""Where VRRP leaves the virtual IP, as a model: hosts up and down, with files of one or two
generations. tests/tools and tests/booted_clusters compare the real keepalived with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import chain, combinations, product

from khgen.files.load_balancer import HAPROXY_WEIGHT
from khgen.spec.model.values import IPAddress

PRIORITY = 100
"""keepalived's default: keepalived.conf gives none."""


class HostState(Enum):
    """What may have become of a host."""

    HEALTHY = auto()
    WITHOUT_HAPROXY = auto()
    DOWN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class VrrpHost:
    """A host as VRRP sees it."""

    address: IPAddress
    priority: int = PRIORITY
    weight: int = HAPROXY_WEIGHT


def effective(host: VrrpHost, state: HostState) -> int:
    """The host's priority in that state (keepalived keeps to 1-254)."""
    lost = host.weight if state is HostState.WITHOUT_HAPROXY else 0
    return min(max(host.priority + lost, 1), 254)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What became of each host, which hosts its files name, and who held the VIP before."""

    states: tuple[tuple[VrrpHost, HostState], ...]
    previous: VrrpHost | None
    knows: Mapping[VrrpHost, frozenset[IPAddress]] = field(default_factory=dict)
    """The addresses of a host's own files; of a host that is not here: all."""
    asks: bool = True
    """Whether hosts ask each other before they take the VIP (check-vip-hosts)."""

    @property
    def priorities(self) -> dict[VrrpHost, int]:
        """The effective priority of each host that is up and may hold the VIP."""
        up = {h: state for h, state in self.states if state is not HostState.DOWN}
        return {h: effective(h, state) for h, state in up.items() if self._counted(h)}

    @property
    def healthy(self) -> frozenset[VrrpHost]:
        """The hosts whose haproxy answers, and that may hold the VIP."""
        answering = {host for host, state in self.states if state is HostState.HEALTHY}
        return frozenset(answering & self.priorities.keys())

    def known(self, host: VrrpHost, by: VrrpHost) -> bool:
        """Whether one host's files name the other."""
        return by not in self.knows or host.address in self.knows[by]

    def hears(self, host: VrrpHost, other: VrrpHost) -> bool:
        """Whether the other's advertisements reach a host: they go to whom the other knows."""
        return self.known(host, by=other)

    def _counted(self, host: VrrpHost) -> bool:
        """Whether each host that this one knows, and that answers, knows it too."""
        return not self.asks or all(
            self.known(host, by=other)
            for other, state in self.states
            if other != host and state is HostState.HEALTHY and self.known(other, by=host)
        )


def settled(situation: Situation) -> list[frozenset[VrrpHost]]:
    """Every set of holders that VRRP may come to rest at.

    A backup takes over only from a holder of lower priority (an equal one it leaves alone) or from
    one that is silent; a holder yields to a higher one, or an equal one of a higher address
    (RFC 5798, 6.4.3). Where the former holder may stay, it does.
    """
    priorities = situation.priorities
    subsets = chain.from_iterable(combinations(priorities, n) for n in range(len(priorities) + 1))
    stable = [frozenset(s) for s in subsets if _at_rest(situation, priorities, frozenset(s))]
    kept = [holders for holders in stable if situation.previous in holders]
    return kept or stable


def _at_rest(
    situation: Situation, priorities: Mapping[VrrpHost, int], holders: frozenset[VrrpHost]
) -> bool:
    for host, own in priorities.items():
        heard = [h for h in holders if h != host and situation.hears(host, h)]
        if host in holders:
            if any((priorities[h], h.address) >= (own, host.address) for h in heard):
                return False
        elif not any(priorities[h] >= own for h in heard):
            return False
    return True


def may_hold(situation: Situation) -> frozenset[VrrpHost]:
    """The hosts of which just one holds the VIP once VRRP has settled."""
    return frozenset().union(*settled(situation))


def situations(hosts: tuple[VrrpHost, ...]) -> Iterator[Situation]:
    """Every combination of host and haproxy up or down, each after every former holder."""
    for states in product(HostState, repeat=len(hosts)):
        for previous in (None, *hosts):
            yield Situation(states=tuple(zip(hosts, states, strict=True)), previous=previous)


def generations(
    older: frozenset[VrrpHost], newer: frozenset[VrrpHost], *, asks: bool = True
) -> Iterator[Situation]:
    """Every situation while files change: each host that both generations name has either's."""
    hosts = tuple(sorted(older | newer, key=lambda host: int(host.address)))
    names = [frozenset(h.address for h in group) for group in (older, newer)]
    choices = [
        [files for group, files in zip((older, newer), names, strict=True) if host in group]
        for host in hosts
    ]
    for files in product(*choices):
        knows = dict(zip(hosts, files, strict=True))
        for states in product(HostState, repeat=len(hosts)):
            paired = tuple(zip(hosts, states, strict=True))
            yield Situation(states=paired, previous=None, knows=knows, asks=asks)


def flaw(situation: Situation) -> str | None:
    """What is wrong with where the VIP may end up, if anything is."""
    ends, up = settled(situation), situation.priorities.keys()
    healthy, previous = situation.healthy, situation.previous
    if any(len(holders) > 1 for holders in ends):
        return "two hosts hold the virtual IP"
    if healthy and not all(holders and holders <= healthy for holders in ends):
        return "no host with haproxy holds the virtual IP although there is one"
    if up and not all(ends):
        return "nobody holds the virtual IP"
    if previous in (healthy or up) and ends != [frozenset({previous})]:
        return "the virtual IP moves without need"
    return None
