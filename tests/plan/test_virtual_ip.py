"""The proof of the VIP's priorities, and that it would find a flaw."""

from ipaddress import ip_address
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khgen.plan.virtual_ip import (
    HAPROXY_WEIGHT,
    PRIORITY,
    HostState,
    Situation,
    VrrpHost,
    flaw,
    may_hold,
    prove,
    situations,
)


def hosts(*priorities: int, weight: int = HAPROXY_WEIGHT) -> tuple[VrrpHost, ...]:
    return tuple(
        VrrpHost(address=ip_address(f"192.168.10.{n}"), priority=priority, weight=weight)
        for n, priority in enumerate(priorities, start=1)
    )


@pytest.mark.parametrize("count", range(1, 8))
def test_our_priorities_are_sound_for_any_number_of_hosts(count: int) -> None:
    cases = list(situations(hosts(*[PRIORITY] * count)))
    assert len(cases) == 3**count * (count + 1)
    assert [flaw(case) for case in cases if flaw(case)] == []


def test_more_hosts_are_proved_by_pairs() -> None:
    prove(hosts(*[PRIORITY] * 12))
    with pytest.raises(ValueError, match="moves without need"):
        prove(hosts(*[PRIORITY] * 11, PRIORITY + 1))


@given(
    st.lists(st.integers(1, 254), min_size=2, max_size=4),
    st.integers(-253, 0),
)
def test_every_flaw_shows_between_two_hosts(priorities: list[int], weight: int) -> None:
    group = hosts(*priorities, weight=weight)
    whole = any(flaw(case) for case in situations(group))
    pairs = any(flaw(case) for pair in combinations(group, 2) for case in situations(pair))
    assert whole == pairs


@given(st.lists(st.integers(60, 254), min_size=2, max_size=4), st.integers(0, 253))
def test_the_weight_must_exceed_the_spread(priorities: list[int], loss: int) -> None:
    group = hosts(*priorities, weight=-loss)
    spread = max(priorities) - min(priorities)
    clamped = min(priorities) <= loss
    stranded = any("without haproxy" in (flaw(case) or "") for case in situations(group))
    if not clamped:
        assert stranded == (loss <= spread)


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (hosts(102, 101, 100), "moves without need"),
        (hosts(200, 200, weight=0), "without haproxy"),
        (hosts(1, 1), "without haproxy"),
        (
            (*hosts(PRIORITY), VrrpHost(address=ip_address("192.168.10.1"), weight=-60)),
            "2 hosts hold",
        ),
    ],
)
def test_the_proof_finds_flaws(group: tuple[VrrpHost, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prove(group)


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
