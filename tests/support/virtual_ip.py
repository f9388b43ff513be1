"""Where the VIP is on booted hosts, beside where the renderer's model says it may be."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from khgen.files.load_balancer import vrrp_addresses
from khgen.rehearse.local_host import LocalHost
from khgen.rehearse.processes import wait_until
from support.local_cluster import LocalCluster
from support.vrrp_model import HostState, Situation, VrrpHost, effective, may_hold

PATIENCE = 60.0
UNDISTURBED = 4.0
"""Longer than a backup waits for a silent holder from when it knows (2.6 s)."""


@dataclass(slots=True, kw_only=True)
class VirtualIp:
    """The VIP of a booted cluster, and what became of the hosts that share it."""

    cluster: LocalCluster
    holder: str
    states: dict[str, HostState] = field(init=False)

    def __post_init__(self) -> None:
        """At first all are healthy."""
        self.states = dict.fromkeys(self._modelled, HostState.HEALTHY)

    @property
    def _modelled(self) -> Mapping[str, VrrpHost]:
        plan = self.cluster.render.plan
        names = [node.name for node in plan.load_balancers]
        return dict(zip(names, (VrrpHost(address=a) for a in vrrp_addresses(plan)), strict=True))

    @property
    def expected(self) -> set[str]:
        """Who may hold the VIP now, as the model has it."""
        modelled = self._modelled
        states = tuple((modelled[name], state) for name, state in self.states.items())
        candidates = may_hold(Situation(states=states, previous=modelled[self.holder]))
        return {name for name, host in modelled.items() if host in candidates}

    @property
    def served(self) -> bool:
        """Whether any host has a haproxy."""
        return HostState.HEALTHY in self.states.values()

    def turn(self, name: str) -> None:
        """Stop the host's haproxy, or start it, and wait until the VIP is where it will be."""
        running = self.states[name] is HostState.HEALTHY
        self.cluster.hosts[name].run("systemctl", "stop" if running else "start", "haproxy")
        self.states[name] = HostState.WITHOUT_HAPROXY if running else HostState.HEALTHY
        wanted = effective(self._modelled[name], self.states[name])
        host = self.cluster.hosts[name]
        wait_until(lambda: effective_priority(host) == wanted, PATIENCE, f"{name} at {wanted}")
        self.settle()

    def settle(self) -> None:
        """See the VIP go, or stay, where the model says."""
        expected = self.expected
        if expected == {self.holder}:
            until = time.monotonic() + UNDISTURBED
            while time.monotonic() < until:
                found = self.cluster.holders()
                assert found == [self.holder], f"{found} and not {self.holder}: {self.states}"
        else:
            self.holder = steady_holder(self.cluster, besides=self.holder)
            assert self.holder in expected, f"{self.holder}, not {expected}: {self.states}"


def steady_holder(cluster: LocalCluster, besides: str = "") -> str:
    """The one host (another than `besides`) that has the VIP, twice in a second."""

    def steady() -> bool:
        found = cluster.holders()
        if len(found) != 1 or found == [besides]:
            return False
        time.sleep(1)
        return cluster.holders() == found

    wait_until(steady, PATIENCE, f"one holder of the VIP, not '{besides}'")
    (holder,) = cluster.holders()
    return holder


def keepalived_said(host: LocalHost) -> str:
    """What keepalived said since the host booted."""
    return host.run("journalctl", "-b", "-u", "keepalived", "-o", "cat", "--no-pager")


def effective_priority(host: LocalHost) -> int | None:
    """The priority that the host's keepalived went over to last; None if it kept its own."""
    changes = re.findall(r"Changing effective priority from \d+ to (\d+)", keepalived_said(host))
    return int(changes[-1]) if changes else None


def vrrp_events(cluster: LocalCluster) -> dict[str, list[str]]:
    """Each change of priority and of state that the hosts' keepalived reported."""
    pattern = r"Changing effective priority .*|Entering \w+ STATE"
    names = [node.name for node in cluster.render.plan.load_balancers]
    return {name: re.findall(pattern, keepalived_said(cluster.hosts[name])) for name in names}
