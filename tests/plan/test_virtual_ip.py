"""The proof that there is one holder of the VIP, and that it would find a flaw."""

from collections.abc import Iterable
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from khgen.files.load_balancer import HAPROXY_WEIGHT
from support.vrrp_model import (
    PRIORITY,
    HostState,
    Situation,
    VrrpHost,
    flaw,
    generations,
    may_hold,
    situations,
)


def hosts(*priorities: int, weight: int = HAPROXY_WEIGHT) -> tuple[VrrpHost, ...]:
    return tuple(
        VrrpHost(address=ip_address(f"192.168.10.{n}"), priority=priority, weight=weight)
        for n, priority in enumerate(priorities, start=1)
    )


def flaws(cases: Iterable[Situation]) -> set[str]:
    return {found for case in cases if (found := flaw(case))}


@pytest.mark.parametrize("count", range(1, 6))
def test_our_priorities_are_sound_for_any_number_of_hosts(count: int) -> None:
    cases = list(situations(hosts(*[PRIORITY] * count)))
    assert len(cases) == 3**count * (count + 1)
    assert flaws(cases) == set()


GROUP = hosts(*[PRIORITY] * 5)
GROWTH = [
    (GROUP[:1], GROUP[:3]),
    (GROUP[2:3], GROUP[:3]),
    (GROUP[1:4], GROUP),
    (GROUP[2:], GROUP),
    (GROUP[:3], GROUP),
    (GROUP[:2], GROUP[:3]),
]
"""One host to three, three to five, two balancers to three; newcomers lower and higher."""


def is_served(case: Situation) -> bool:
    """Whether any host of the virtual IP still has its haproxy: else nobody is served anyway."""
    return any(state is HostState.HEALTHY for _, state in case.states)


@pytest.mark.parametrize(("older", "newer"), GROWTH)
def test_there_is_one_holder_while_a_cluster_grows(
    older: tuple[VrrpHost, ...], newer: tuple[VrrpHost, ...]
) -> None:
    cases = [case for case in generations(frozenset(older), frozenset(newer)) if is_served(case)]
    assert len(cases) > 1
    assert flaws(cases) == set()


@pytest.mark.parametrize(("older", "newer"), GROWTH)
def test_without_asking_two_would_hold_it(
    older: tuple[VrrpHost, ...], newer: tuple[VrrpHost, ...]
) -> None:
    cases = generations(frozenset(older), frozenset(newer), asks=False)
    assert "two hosts hold the virtual IP" in flaws(cases)


@pytest.mark.parametrize(
    ("older", "newer"), [(GROUP[:3], GROUP[1:4]), (GROUP[1:4], GROUP[:3]), (GROUP[:3], GROUP[:2])]
)
def test_a_removed_host_that_still_runs_is_harmless_while_a_host_of_both_generations_answers(
    older: tuple[VrrpHost, ...], newer: tuple[VrrpHost, ...]
) -> None:
    common = frozenset(older) & frozenset(newer)
    cases = [case for case in generations(frozenset(older), frozenset(newer)) if is_served(case)]
    harmful = [case for case in cases if flaw(case)]
    assert not any(s is HostState.HEALTHY for c in harmful for h, s in c.states if h in common)
    assert bool(harmful) == (len(newer) == len(older)), "a power switch is the way to be sure"


@settings(deadline=None)
@given(st.lists(st.integers(60, 254), min_size=2, max_size=4), st.integers(0, 253))
def test_the_weight_must_exceed_the_spread(priorities: list[int], loss: int) -> None:
    group = hosts(*priorities, weight=-loss)
    spread = max(priorities) - min(priorities)
    clamped = min(priorities) <= loss
    stranded = any("with haproxy" in (flaw(case) or "") for case in situations(group))
    if not clamped:
        assert stranded == (loss <= spread)


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (hosts(102, 101, 100), "moves without need"),
        (hosts(200, 200, weight=0), "with haproxy"),
        (hosts(1, 1), "with haproxy"),
    ],
)
def test_the_proof_finds_flaws(group: tuple[VrrpHost, ...], message: str) -> None:
    assert any(message in found for found in flaws(situations(group)))


def test_a_lone_survivor_without_haproxy_still_holds() -> None:
    first, second = hosts(PRIORITY, PRIORITY)
    states = ((first, HostState.WITHOUT_HAPROXY), (second, HostState.DOWN))
    assert may_hold(Situation(states=states, previous=second)) == {first}


def test_either_backup_may_follow_and_the_one_before_may_not_come_back_by_itself() -> None:
    first, second, third = group = hosts(*[PRIORITY] * 3)
    lost = (HostState.WITHOUT_HAPROXY, HostState.HEALTHY, HostState.HEALTHY)
    states = tuple(zip(group, lost, strict=True))
    assert may_hold(Situation(states=states, previous=first)) == {second, third}
    back = tuple((host, HostState.HEALTHY) for host in group)
    assert may_hold(Situation(states=back, previous=second)) == {second}


def test_nobody_holds_when_nobody_is_up() -> None:
    (only,) = hosts(PRIORITY)
    situation = Situation(states=((only, HostState.DOWN),), previous=only)
    assert may_hold(situation) == frozenset()
    assert flaw(situation) is None
