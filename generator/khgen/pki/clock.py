"""The clock: whether this machine's can be right, and how dates that a wrong one recorded are mended."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from khgen.pki.authorities import Authority, resigned_authority
from khgen.pki.secrets import Secrets
from khgen.problems import Finding

OLDEST_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)
"""No khgen is older: a clock before it was never set. A release may move it on."""

_PATH = ("pki", "backdate")


def unset_clock_findings(now: datetime) -> Iterator[Finding]:
    """An error where this machine's clock is before any khgen."""
    if now < OLDEST_CLOCK:
        yield Finding(
            path=_PATH,
            message=f"this machine's clock says {now:%Y-%m-%d}, which is before khgen was written",
            hint="set the clock: certificates are dated by it",
            at_key=True,
        )


def clock_findings(
    secrets: Secrets, now: datetime, backdate: timedelta, *, trusted: bool = False
) -> tuple[Finding, ...]:
    """An error where this machine's clock cannot be right: new dates would last.

    Before the cluster's first date either this clock is behind or the first one was ahead, which only
    the operator knows: it is `trusted` where he says so.
    """
    unset = tuple(unset_clock_findings(now))
    began = first_date(secrets)
    if unset or trusted or began - backdate <= now:
        return unset
    finding = Finding(
        path=_PATH,
        message=f"this machine's clock says {now:%Y-%m-%d}, but the cluster's first date is"
        f" {began:%Y-%m-%d}, {ahead_text(began - now)}",
        hint="set the clock; if it is right, the clock of the first render was ahead:"
        " khgen certs renew SPEC --clock-is-right",
        at_key=True,
    )
    return (finding,)


def first_date(secrets: Secrets) -> datetime:
    """The first moment that anything of the cluster was dated."""
    return min((secrets.issued_at, *secrets.renewed_at.values()))


def future_dates(secrets: Secrets, now: datetime, backdate: timedelta) -> tuple[datetime, ...]:
    """The dates of renewals and removals whose certificates would begin in the future, sorted."""
    dates = (*secrets.renewed_at.values(), *(node.removed_at for node in secrets.removed))
    return tuple(sorted({date for date in dates if date - backdate > now}))


def with_dates_put_right(secrets: Secrets, now: datetime, backdate: timedelta) -> Secrets:
    """The secrets with today's date in place of those in the future; nothing else differs."""
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
    """The secrets with CAs that begin in the future signed anew, by their own keys, from now on.

    Names, keys and lifetimes stay. An intermediate CA stays as it is: its issuer's key is not here.
    """
    begin = now.astimezone(UTC).replace(microsecond=0) - backdate
    authorities = {
        name: resigned_authority(authority, begin) if _own_future(authority, now) else authority
        for name, authority in secrets.authorities.items()
    }
    return replace(secrets, authorities=MappingProxyType(authorities))


def ahead_text(difference: timedelta) -> str:
    """How far something is ahead of this machine's clock."""
    if difference < timedelta(days=1):
        return "less than a day ahead of this machine's clock"
    days = f"{difference.days:,} day{'s' if difference.days > 1 else ''}"
    return f"{days} ahead of this machine's clock"


def _own_future(authority: Authority, now: datetime) -> bool:
    certificate = authority.certificate
    return certificate.not_valid_before_utc > now and certificate.issuer == certificate.subject
