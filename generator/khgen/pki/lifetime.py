"""Lifetime: when certificates begin and end, whether that is long enough, and wrong clocks."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from khgen.pki.catalog import (
    CERTIFICATES,
    HOLDERS,
    KUBELET_KUBECONFIG,
    SUPER_ADMIN_KUBECONFIG,
    kubeconfigs_of,
)
from khgen.pki.certificates import Authority, AuthorityName, resigned_authority
from khgen.pki.pem import RESIGN_HINT
from khgen.pki.secrets import Secrets, issue_date
from khgen.plan.cluster_plan import NodePlan, Plan
from khgen.problems import Finding
from khgen.spec.model.values import duration_text

OLDEST_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)
"""The first release of khgen is younger: a clock before this was never set."""

_PATH = ("pki", "backdate")
_SET_CLOCK = "set this machine's clock; if it is right, an earlier command's clock was ahead"
_RENEW = f"{_SET_CLOCK}: khgen certs renew SPEC"
_RENEW_CA = f"{_RENEW} --clock-is-right"
_ASK_ISSUER = f"{_SET_CLOCK}, and the CA's issuer must sign its certificate again"


def unset_clock_findings(now: datetime) -> Iterator[Finding]:
    """An error if this machine's clock was never set."""
    if now < OLDEST_CLOCK:
        yield Finding(
            path=_PATH,
            message=f"this machine's clock shows {now:%Y-%m-%d}, a date before khgen existed",
            hint="set the clock: it dates the certificates",
            at_key=True,
        )


def clock_findings(
    secrets: Secrets, now: datetime, backdate: timedelta, *, trusted: bool = False
) -> tuple[Finding, ...]:
    """An error if this machine's clock cannot be right, because new dates would stay in the file.

    If it is before the cluster's first date, either this clock is behind or the first one was
    ahead. Only the operator knows which: `trusted` means that this clock is right.
    """
    unset = tuple(unset_clock_findings(now))
    began = first_date(secrets)
    if unset or trusted or began - backdate <= now:
        return unset
    finding = Finding(
        path=_PATH,
        message=f"this machine's clock shows {now:%Y-%m-%d}, but the cluster's first date is"
        f" {began:%Y-%m-%d}, {ahead_text(began - now)}",
        hint="set the clock; if it is right, the first render's clock was ahead:"
        " khgen certs renew SPEC --clock-is-right",
        at_key=True,
    )
    return (finding,)


def first_date(secrets: Secrets) -> datetime:
    """The earliest date in the secrets."""
    return min((secrets.issued_at, *secrets.renewed_at.values()))


def future_dates(secrets: Secrets, now: datetime, backdate: timedelta) -> tuple[datetime, ...]:
    """The sorted dates of renewals and removals whose certificates would begin in the future."""
    dates = (*secrets.renewed_at.values(), *(node.removed_at for node in secrets.removed))
    return tuple(sorted({date for date in dates if date - backdate > now}))


def with_dates_put_right(secrets: Secrets, now: datetime, backdate: timedelta) -> Secrets:
    """The secrets with today's date in place of dates in the future."""
    moment = now.astimezone(UTC).replace(microsecond=0)
    wrong = future_dates(secrets, now, backdate)
    if not wrong:
        return secrets
    dates = {k: moment if date in wrong else date for k, date in secrets.renewed_at.items()}
    removed = tuple(
        replace(node, removed_at=moment) if node.removed_at in wrong else node
        for node in secrets.removed
    )
    return replace(secrets, renewed_at=MappingProxyType(dates), removed=removed)


def with_authorities_put_right(secrets: Secrets, now: datetime, backdate: timedelta) -> Secrets:
    """The secrets with each CA that begins in the future signed again by its own key, from now.

    Names, keys and lifetimes stay. An intermediate CA stays as it is: khgen lacks its issuer's key.
    """
    begin = now.astimezone(UTC).replace(microsecond=0) - backdate
    authorities = {
        name: resigned_authority(authority, begin) if _own_future(authority, now) else authority
        for name, authority in secrets.authorities.items()
    }
    return replace(secrets, authorities=MappingProxyType(authorities))


def ahead_text(difference: timedelta) -> str:
    """How far a date is ahead of this machine's clock."""
    if difference < timedelta(days=1):
        return "less than a day ahead of this machine's clock"
    days = f"{difference.days:,} day{'s' if difference.days > 1 else ''}"
    return f"{days} ahead of this machine's clock"


def _own_future(authority: Authority, now: datetime) -> bool:
    certificate = authority.certificate
    return certificate.not_valid_before_utc > now and certificate.issuer == certificate.subject


def leaf_validity(
    plan: Plan, secrets: Secrets, authority: Authority, node_name: str, name: str
) -> tuple[datetime, datetime]:
    """When a node's certificate begins and ends: within its authority's lifetime."""
    pki, issued_at = plan.spec.pki, issue_date(secrets, node_name)
    lifetime = pki.certificate_validity
    if name == KUBELET_KUBECONFIG.name and pki.node_identity_validity is not None:
        lifetime = pki.node_identity_validity
    if name == SUPER_ADMIN_KUBECONFIG.name:
        lifetime = min(lifetime, pki.boot_window)
    certificate = authority.certificate
    not_before = max(issued_at - pki.backdate, certificate.not_valid_before_utc)
    return not_before, min(issued_at + lifetime, certificate.not_valid_after_utc)


def lifetime_findings(plan: Plan, secrets: Secrets, now: datetime) -> tuple[Finding, ...]:
    """Errors for certificates that are not valid during the whole boot window."""
    return (
        *unset_clock_findings(now),
        *_beginning_findings(plan, secrets, now),
        *_authority_findings(plan, secrets, now),
        *_leaf_findings(plan, secrets, now),
    )


def _beginning_findings(plan: Plan, secrets: Secrets, now: datetime) -> Iterator[Finding]:
    """Errors for what begins in the future: machines with a right clock would wait for it."""
    ahead = False
    for name, authority in secrets.authorities.items():
        certificate = authority.certificate
        begin = certificate.not_valid_before_utc
        if begin > now:
            ahead, own = True, certificate.issuer == certificate.subject
            yield _not_yet_valid(f"the {name} CA is", begin, now, _RENEW_CA if own else _ASK_ISSUER)
    begins = {
        n.name: max((b for b, _ in _dates(plan, secrets, n)), default=now) for n in plan.nodes
    }
    late = sorted(name for name, begin in begins.items() if begin > now)
    if late and not ahead:  # A CA that begins later has its own finding.
        begin = max(begins.values())
        yield _not_yet_valid(f"the certificates of {_list(late)} are", begin, now, _RENEW)


def _not_yet_valid(what: str, begin: datetime, now: datetime, hint: str) -> Finding:
    message = f"{what} not valid before {begin:%Y-%m-%d}, {ahead_text(begin - now)}"
    return Finding(path=_PATH, message=message, hint=hint, at_key=True)


def _authority_findings(plan: Plan, secrets: Secrets, now: datetime) -> Iterator[Finding]:
    window = plan.spec.pki.boot_window
    for name, authority in secrets.authorities.items():
        left = authority.certificate.not_valid_after_utc - now
        if left < window:
            yield Finding(
                path=("pki", "bootWindow"),
                message=f"the {name} CA {_life(left)}, less than the boot window of"
                f" {duration_text(window)}",
                hint=RESIGN_HINT,
            )


def _leaf_findings(plan: Plan, secrets: Secrets, now: datetime) -> Iterator[Finding]:
    window = plan.spec.pki.boot_window
    ends = {node.name: _first_end(plan, secrets, node) for node in plan.nodes}
    known = {name: end for name, end in ends.items() if end is not None}
    short = sorted(name for name, end in known.items() if end - now < window)
    if not short or _authorities_end(secrets) - now < window:
        return  # A CA that ends first has its own finding.
    left = min(known[name] for name in short) - now
    whose = f"the certificates of {_list(short)}"
    yield Finding(
        path=("pki", "bootWindow"),
        message=f"{whose} expire too soon: the first {_life(left)}, the boot window is"
        f" {duration_text(window)}",
        hint=_hint(plan),
    )


def _hint(plan: Plan) -> str:
    pki = plan.spec.pki
    lifetimes = [pki.certificate_validity, pki.node_identity_validity or pki.certificate_validity]
    if min(lifetimes) <= pki.boot_window:
        return "set certificate lifetimes in pki longer than pki.bootWindow"
    return "khgen certs renew SPEC"


def _first_end(plan: Plan, secrets: Secrets, node: NodePlan) -> datetime | None:
    return min((end for _, end in _dates(plan, secrets, node)), default=None)


def _dates(plan: Plan, secrets: Secrets, node: NodePlan) -> list[tuple[datetime, datetime]]:
    holders = HOLDERS[node.kind, plan.stacked]
    leaves = [(e.name, e.issuer) for e in CERTIFICATES if e.held_by in holders]
    # What only the founding needs lives for one boot window and does not count here: a running
    # cluster does not need it, and if it expires too early, the gate of its holder reports it.
    lasting = (entry for entry in kubeconfigs_of(plan, node) if not entry.for_founding)
    leaves += [(entry.name, AuthorityName.KUBERNETES) for entry in lasting]
    return [
        leaf_validity(plan, secrets, secrets.authorities[issuer], node.name, name)
        for name, issuer in leaves
    ]


def _authorities_end(secrets: Secrets) -> datetime:
    return min(a.certificate.not_valid_after_utc for a in secrets.authorities.values())


def _life(left: timedelta) -> str:
    if left <= timedelta(0):
        return "has expired"
    return f"expires in {left.days}d" if left.days else "expires within a day"


def _list(names: list[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
