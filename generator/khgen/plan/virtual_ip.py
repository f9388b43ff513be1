"""Who holds the virtual IP: the hosts' VRRP priorities, and the proof that they are sound.

All hosts have the same priority, and keepalived may preempt. Tried on keepalived 2.2.7:

- a host of equal priority does not preempt, so the VIP stays where it is when a host comes (back);
- when the holder's haproxy dies, its priority drops below the others' and one of them takes over;
- when every haproxy is dead, all drop alike, and there is still exactly one holder.

What else was tried: with `nopreempt` a backup never takes over from a master that still advertises,
however low its priority (so weights do nothing); a check without weight (FAULT) leaves no holder
when all haproxies are dead; different priorities move the VIP back each time a host returns.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import combinations, product

from khgen.plan.model import NodePlan, Plan
from khgen.spec.model.values import IPAddress

PRIORITY = 100
"""keepalived's default: keepalived.conf says none."""

SILENT_ADVERTS = 2
"""So many seconds + (256 - priority) / 256 s, 2.6 s in all, a backup waits for a silent holder.

One lost advertisement does no harm: the next comes 0.6 s before that. RFC 5798 (6.1) has three,
which take the API away for up to 3.6 s. keepalived takes another number since 2.2.3.
"""

HAPROXY_WEIGHT = -50
"""What a host's priority loses while its haproxy does not answer; more than any spread."""

LARGEST_ENUMERATION = 7
"""Above this many hosts the proof goes over pairs: any flaw shows between two hosts."""


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

    def effective(self, state: HostState) -> int:
        """Its priority in that state (keepalived keeps to 1-254)."""
        lost = self.weight if state is HostState.WITHOUT_HAPROXY else 0
        return min(max(self.priority + lost, 1), 254)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What became of each host, and who held the VIP before."""

    states: tuple[tuple[VrrpHost, HostState], ...]
    previous: VrrpHost | None

    @property
    def priorities(self) -> dict[VrrpHost, int]:
        """The effective priority of each host that is up."""
        return {h: h.effective(state) for h, state in self.states if state is not HostState.DOWN}

    @property
    def healthy(self) -> frozenset[VrrpHost]:
        """The hosts whose haproxy answers."""
        return frozenset(host for host, state in self.states if state is HostState.HEALTHY)


def vrrp_hosts(plan: Plan) -> tuple[VrrpHost, ...]:
    """The hosts that share the VIP."""
    return tuple(VrrpHost(address=vrrp_address(plan, node)) for node in plan.load_balancers)


def vrrp_address(plan: Plan, node: NodePlan) -> IPAddress:
    """The host's address of the VIP's family: VRRP speaks from there."""
    vip = plan.endpoint.vip
    for address in node.addresses:
        if vip is not None and address.version == vip.version:
            return address
    message = f"{node.name} has no address of the family of the virtual IP {vip}"
    raise ValueError(message)


def may_hold(situation: Situation) -> frozenset[VrrpHost]:
    """The hosts of which just one holds the VIP once VRRP has settled.

    A backup takes over only from a holder of lower priority (an equal one it leaves alone) or from
    one that is silent. Among equals it is the first to do so, and of several at once the one with
    the highest address: the others yield to it (RFC 5798, 6.4.3).
    """
    priorities = situation.priorities
    holder = {host for host in priorities if host == situation.previous}
    beaten = max((priorities[host] for host in holder), default=0)
    rivals = {host: own for host, own in priorities.items() if own > beaten}
    highest = max(rivals.values(), default=0)
    return frozenset(host for host, own in rivals.items() if own == highest) or frozenset(holder)


def situations(hosts: tuple[VrrpHost, ...]) -> Iterator[Situation]:
    """Every combination of host and haproxy up or down, each after every former holder."""
    for states in product(HostState, repeat=len(hosts)):
        for previous in (None, *hosts):
            paired = tuple(zip(hosts, states, strict=True))
            yield Situation(states=paired, previous=previous)


def flaw(situation: Situation) -> str | None:
    """What is wrong with where the VIP ends up, if anything is."""
    now, up = may_hold(situation), situation.priorities.keys()
    healthy, previous = situation.healthy, situation.previous
    if len({host.address for host in now}) < len(now):
        return f"{len(now)} hosts hold the virtual IP"
    if healthy and not now <= healthy:
        return "a host without haproxy holds the virtual IP although another has one"
    if previous in (healthy or up) and now != {previous}:
        return "the virtual IP moves without need"
    return None


def prove(hosts: tuple[VrrpHost, ...]) -> None:
    """Raise unless every situation ends with one holder, a healthy one if there is any."""
    small = len(hosts) <= LARGEST_ENUMERATION
    for group in (hosts,) if small else combinations(hosts, 2):
        for situation in situations(group):
            if problem := flaw(situation):
                message = f"VRRP priorities are unsound: {problem} in {situation}"
                raise ValueError(message)
