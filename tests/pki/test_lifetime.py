"""How long certificates live, and what is said when that is too short."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from khgen.pki.credentials import certificate_dates, node_credentials
from khgen.pki.lifetime import (
    clock_findings,
    first_date,
    future_dates,
    lifetime_findings,
    with_authorities_put_right,
    with_dates_put_right,
)
from khgen.pki.secrets import (
    EVERYONE,
    Secrets,
    new_secrets,
    only_extends,
    renewed,
    with_removed,
    with_replaced,
)
from khgen.pki.secrets_encode import encode_secrets
from khgen.plan.cluster_plan import Plan, build_plan
from khgen.problems import Finding, Severity
from khgen.spec.model import NodeRole
from support.fixed import FIXED_NOW, fixed_secrets, known_entropy
from support.topologies import cluster, topology

DAY = timedelta(days=1)


def planned(pki: dict[str, object] | None = None) -> tuple[Plan, Secrets]:
    spec = cluster({"cp": 3, "w": 5}, pki=pki or {})
    secrets = fixed_secrets(spec)
    return build_plan(spec, secrets.founders), secrets


def messages(plan: Plan, secrets: Secrets, now: datetime) -> list[str]:
    return [f"{f.message}; {f.hint}" for f in lifetime_findings(plan, secrets, now)]


def test_a_fresh_render_has_nothing_to_say() -> None:
    plan, secrets = planned()
    assert lifetime_findings(plan, secrets, FIXED_NOW) == ()
    assert lifetime_findings(plan, secrets, FIXED_NOW + 335 * DAY) == ()


def test_too_little_life_left_is_an_error_whose_hint_helps() -> None:
    plan, secrets = planned()
    later = FIXED_NOW + 340 * DAY
    (finding,) = lifetime_findings(plan, secrets, later)
    assert finding.severity is Severity.ERROR
    assert finding.path == ("pki", "bootWindow")
    assert finding.hint == "khgen certs renew SPEC"
    assert finding.message == (
        "the certificates of cp1, cp2, cp3 and 5 more expire too soon: the first expires"
        " in 25d, the boot window is 30d"
    )
    assert lifetime_findings(plan, renewed(secrets, (EVERYONE,), later), later) == ()


def test_expired_ones_are_called_so() -> None:
    plan, secrets = planned()
    (text,) = messages(plan, secrets, FIXED_NOW + 400 * DAY)
    assert "the first has expired" in text


def test_a_renewed_node_is_not_named() -> None:
    plan, secrets = planned()
    later = FIXED_NOW + 340 * DAY
    (text,) = messages(plan, renewed(secrets, ("cp1", "w1", "w2", "w3", "w4"), later), later)
    assert "of cp2, cp3, w5 expire" in text


def test_renewing_does_not_help_lives_shorter_than_the_window() -> None:
    plan, secrets = planned({"nodeIdentityValidity": "20d"})
    (text,) = messages(plan, secrets, FIXED_NOW)
    assert text.endswith("set certificate lifetimes in pki longer than pki.bootWindow")


def test_an_authority_that_ends_is_named_once() -> None:
    plan, secrets = planned()
    texts = messages(plan, secrets, FIXED_NOW + 3640 * DAY)
    assert len(texts) == 3
    assert texts[0].startswith("the kubernetes CA expires in 10d, less than the boot window of 30d")


def test_leaves_end_with_their_ca() -> None:
    plan, secrets = planned({"caValidity": "100d"})
    dates = certificate_dates(node_credentials(plan, plan.nodes[0], secrets))
    assert {end for _, end in dates.values()} == {FIXED_NOW + 100 * DAY}


def test_node_identities_have_their_own_lifetime() -> None:
    plan, secrets = planned({"nodeIdentityValidity": "90d"})
    dates = certificate_dates(node_credentials(plan, plan.nodes[0], secrets))
    assert dates["kubelet.conf"] == (FIXED_NOW - DAY, FIXED_NOW + 90 * DAY)
    assert dates["apiserver"] == (FIXED_NOW - DAY, FIXED_NOW + 365 * DAY)
    assert len(dates) == 11


def test_renewal_counts_from_its_own_date() -> None:
    plan, secrets = planned()
    after = renewed(secrets, ("w1",), FIXED_NOW + 100 * DAY)
    worker = plan.by_name["w1"]
    dates = certificate_dates(node_credentials(plan, worker, after))
    assert dates == {"kubelet.conf": (FIXED_NOW + 99 * DAY, FIXED_NOW + 465 * DAY)}


def test_a_clock_that_went_back_does_not_shorten_anything() -> None:
    _, secrets = planned()
    once = renewed(secrets, (EVERYONE,), FIXED_NOW)
    for scope in (EVERYONE, "w1"):
        back = renewed(once, (scope,), FIXED_NOW - DAY / 2)
        assert back.renewed_at[scope] == FIXED_NOW


def test_putting_dates_right_touches_nothing_else() -> None:
    _, secrets = planned()
    ahead = FIXED_NOW + 1500 * DAY
    wrong = with_replaced(
        renewed(renewed(secrets, ("w1",), FIXED_NOW), (EVERYONE,), ahead), "w2", ahead
    )
    assert with_dates_put_right(secrets, FIXED_NOW, DAY) is secrets
    right = with_dates_put_right(wrong, FIXED_NOW + 2 * DAY, DAY)
    moment = FIXED_NOW + 2 * DAY
    assert right.renewed_at == {"w1": FIXED_NOW, EVERYONE: moment, "w2": moment}
    assert encode_secrets(replace(right, renewed_at=wrong.renewed_at)) == encode_secrets(wrong)
    assert not only_extends(right, wrong), "a date that goes back is a loss where it is not mended"


def test_a_ca_that_begins_in_time_is_not_signed_anew() -> None:
    _, secrets = planned()
    same = with_authorities_put_right(secrets, FIXED_NOW, DAY)
    assert all(same.authorities[name] is a for name, a in secrets.authorities.items())
    earlier = with_authorities_put_right(secrets, FIXED_NOW - 50 * DAY, DAY)
    for name, authority in secrets.authorities.items():
        old, new = authority.certificate, earlier.authorities[name].certificate
        new.verify_directly_issued_by(new)
        assert new.not_valid_before_utc == FIXED_NOW - 51 * DAY
        assert old.not_valid_after_utc - new.not_valid_after_utc == 50 * DAY
        assert (new.subject, new.public_key()) == (old.subject, old.public_key())
        assert list(new.extensions) == list(old.extensions)
        assert new.serial_number != old.serial_number


@pytest.mark.parametrize("shape", ["dedicated-lb", "external-etcd"])
def test_nodes_without_certificates_are_no_trouble(shape: str) -> None:
    spec = topology(shape)
    secrets = fixed_secrets(spec)
    plan = build_plan(spec, secrets.founders)
    (finding,) = lifetime_findings(plan, secrets, FIXED_NOW + 350 * DAY)
    assert "lb1" not in finding.message


HOUR = timedelta(hours=1)
SET_CLOCK = "set this machine's clock; if it is right, an earlier command's clock was ahead"
FIRST_IS_AHEAD = (
    "set the clock; if it is right, the first render's clock was ahead:"
    " khgen certs renew SPEC --clock-is-right"
)


def clock_finding(message: str, hint: str) -> Finding:
    """An error at the key pki.backdate, where every finding about a clock stands."""
    return Finding(path=("pki", "backdate"), message=message, hint=hint, at_key=True)


def unset(date: str) -> Finding:
    message = f"this machine's clock shows {date}, a date before khgen existed"
    return clock_finding(message, "set the clock: it dates the certificates")


def made(moment: datetime) -> tuple[Plan, Secrets]:
    """A plan, and secrets of a first render at that moment."""
    spec = cluster({"cp": 1, "w": 4})
    secrets = new_secrets(spec, moment, known_entropy("lifetime"))
    return build_plan(spec, secrets.founders), secrets


FIRST = FIXED_NOW + 100 * DAY
CLOCKS: tuple[tuple[datetime, tuple[Finding, ...]], ...] = (
    (FIRST + 10000 * DAY, ()),
    (FIRST - DAY, ()),
    (
        FIRST - DAY - HOUR,
        (
            clock_finding(
                "this machine's clock shows 2026-04-09, but the cluster's first date is"
                " 2026-04-11, 1 day ahead of this machine's clock",
                FIRST_IS_AHEAD,
            ),
        ),
    ),
    (
        FIXED_NOW,
        (
            clock_finding(
                "this machine's clock shows 2026-01-01, but the cluster's first date is"
                " 2026-04-11, 100 days ahead of this machine's clock",
                FIRST_IS_AHEAD,
            ),
        ),
    ),
    (FIXED_NOW - HOUR, (unset("2025-12-31"),)),
)


@pytest.mark.parametrize(("now", "findings"), CLOCKS)
def test_a_clock_that_cannot_be_right_is_an_error(
    now: datetime, findings: tuple[Finding, ...]
) -> None:
    _, secrets = made(FIRST)
    assert clock_findings(secrets, now, DAY) == findings
    trusted = clock_findings(secrets, now, DAY, trusted=True)
    assert trusted == (findings if now < FIXED_NOW else ())


def test_within_the_backdate_a_clock_is_less_than_a_day_behind() -> None:
    _, secrets = made(FIRST)
    (finding,) = clock_findings(secrets, FIRST - 3 * HOUR, 2 * HOUR)
    assert finding.message.endswith("2026-04-11, less than a day ahead of this machine's clock")
    (finding,) = clock_findings(secrets, FIRST - DAY, 2 * HOUR)
    assert finding.message.endswith(" 2026-04-11, 1 day ahead of this machine's clock")
    (finding,) = clock_findings(secrets, FIRST - 2 * DAY, 2 * HOUR)
    assert finding.message.endswith(" 2026-04-11, 2 days ahead of this machine's clock")
    _, secrets = made(FIRST + 1000 * DAY)
    (finding,) = clock_findings(secrets, FIRST, DAY)
    assert finding.message.endswith(", 1,000 days ahead of this machine's clock")


def test_a_first_render_of_the_future_is_an_error_for_each_ca() -> None:
    plan, secrets = made(FIRST)
    hint = f"{SET_CLOCK}: khgen certs renew SPEC --clock-is-right"
    assert lifetime_findings(plan, secrets, FIXED_NOW) == tuple(
        clock_finding(
            f"the {name} CA is not valid before 2026-04-10, 99 days ahead of this machine's clock",
            hint,
        )
        for name in ("kubernetes", "etcd", "front-proxy")
    )
    assert lifetime_findings(plan, secrets, FIRST - DAY) == ()


def test_a_renewal_of_the_future_is_an_error_that_lists_its_nodes() -> None:
    plan, secrets = made(FIXED_NOW)
    later = renewed(renewed(secrets, ("w1",), FIRST), ("w2", "cp1", "w4"), FIRST + 5 * DAY)
    assert lifetime_findings(plan, later, FIXED_NOW) == (
        clock_finding(
            "the certificates of cp1, w1, w2 and 1 more are not valid before 2026-04-15, 104 days"
            " ahead of this machine's clock",
            f"{SET_CLOCK}: khgen certs renew SPEC",
        ),
    )
    assert lifetime_findings(plan, later, FIRST + 4 * DAY) == ()


def test_a_clock_that_was_never_set_is_an_error_of_a_render() -> None:
    plan, secrets = made(FIXED_NOW)
    findings = lifetime_findings(plan, secrets, FIXED_NOW - HOUR)
    assert findings == (unset("2025-12-31"),)


def test_the_first_date_is_the_earliest() -> None:
    _, secrets = made(FIRST)
    assert first_date(secrets) == FIRST
    assert first_date(renewed(secrets, ("w1",), FIRST + DAY)) == FIRST
    assert first_date(renewed(secrets, ("w1",), FIRST - DAY)) == FIRST - DAY


def test_dates_of_renewals_and_removals_in_the_future_are_listed_and_put_right() -> None:
    _, secrets = made(FIXED_NOW)
    address = ip_address("10.2.0.2")
    changed = renewed(secrets, ("w1",), FIRST + 2 * DAY)
    changed = with_removed(changed, "w2", NodeRole.WORKER, address, FIRST + DAY)
    changed = with_removed(changed, "w3", NodeRole.WORKER, address, FIXED_NOW + DAY)
    assert future_dates(changed, FIXED_NOW, DAY) == (FIRST + DAY, FIRST + 2 * DAY)
    assert future_dates(changed, FIRST, DAY) == (FIRST + 2 * DAY,)
    now = (FIXED_NOW + timedelta(seconds=5, microseconds=7)).astimezone()
    right = with_dates_put_right(changed, now, DAY)
    moment = FIXED_NOW + timedelta(seconds=5)
    assert [node.removed_at for node in right.removed] == [moment, FIXED_NOW + DAY]
    assert [node.name for node in right.removed] == ["w2", "w3"]
    assert right.renewed_at == {"w1": moment, "w2": moment, "w3": FIXED_NOW + DAY}
    assert right.removed[0].removed_at.tzinfo is UTC


ENDS: tuple[tuple[timedelta, str], ...] = (
    (30 * DAY, ""),
    (30 * DAY - HOUR, "expires in 29d"),
    (DAY, "expires in 1d"),
    (DAY - HOUR, "expires within a day"),
    (timedelta(0), "has expired"),
    (-HOUR, "has expired"),
)


@pytest.mark.parametrize(("left", "text"), ENDS)
def test_the_life_that_is_left_is_in_words(left: timedelta, text: str) -> None:
    plan, secrets = planned()
    found = lifetime_findings(plan, secrets, FIXED_NOW + 365 * DAY - left)
    nodes = "the certificates of cp1, cp2, cp3 and 5 more expire too soon: the first"
    wanted = [f"{nodes} {text}, the boot window is 30d"] if text else []
    assert [finding.message for finding in found] == wanted
    found = lifetime_findings(plan, secrets, FIXED_NOW + 3650 * DAY - left)
    wanted = [
        f"the {name} CA {text}, less than the boot window of 30d"
        for name in ("kubernetes", "etcd", "front-proxy")
    ]
    # Leaves ended long ago: they are reported only where no CA ends first.
    assert [f.message for f in found] == (
        wanted if text else [f"{nodes} has expired, the boot window is 30d"]
    )
    assert {(f.path, f.severity) for f in found} == {(("pki", "bootWindow"), Severity.ERROR)}


@pytest.mark.parametrize(
    ("pki", "hint"),
    [
        (
            {"nodeIdentityValidity": "30d"},
            "set certificate lifetimes in pki longer than pki.bootWindow",
        ),
        ({"nodeIdentityValidity": "31d"}, "khgen certs renew SPEC"),
        (
            {"certificateValidity": "30d"},
            "set certificate lifetimes in pki longer than pki.bootWindow",
        ),
        ({"certificateValidity": "31d"}, "khgen certs renew SPEC"),
    ],
)
def test_the_hint_is_what_would_help(pki: dict[str, object], hint: str) -> None:
    plan, secrets = planned(pki)
    (finding,) = lifetime_findings(plan, secrets, FIXED_NOW + 2 * DAY)
    assert finding.hint == hint
