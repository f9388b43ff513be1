"""The lifetimes of certificates, and what khgen reports if one is too short."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from khgen.pki.credentials import certificate_dates, node_credentials
from khgen.pki.lifetime import lifetime_findings, with_authorities_put_right, with_dates_put_right
from khgen.pki.secrets import EVERYONE, Secrets, only_extends, renewed, with_replaced
from khgen.pki.secrets_encode import encode_secrets
from khgen.plan.cluster_plan import Plan, build_plan
from khgen.problems import Severity
from support.fixed import FIXED_NOW, fixed_secrets
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
