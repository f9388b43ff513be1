"""Validity: from when until when certificates hold, and whether that is long enough."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from khgen.pki.authorities import Authority, AuthorityName
from khgen.pki.catalog import (
    CERTIFICATES,
    HOLDERS,
    KUBELET_KUBECONFIG,
    SUPER_ADMIN_KUBECONFIG,
    kubeconfigs_of,
)
from khgen.pki.clock import ahead_text, unset_clock_findings
from khgen.pki.pem import RESIGN_HINT
from khgen.pki.secrets import Secrets, issue_date
from khgen.plan.cluster_plan import NodePlan, Plan
from khgen.problems import Finding
from khgen.spec.model.values import duration_text

_SET_CLOCK = "set this machine's clock; if it is right, the clock was ahead before"
_MEND = f"{_SET_CLOCK}: khgen certs renew SPEC"
_MEND_CA = f"{_MEND} --clock-is-right"
_ISSUER = f"{_SET_CLOCK}, and the CA's issuer has to sign its certificate anew"


def leaf_validity(
    plan: Plan, secrets: Secrets, authority: Authority, node_name: str, name: str
) -> tuple[datetime, datetime]:
    """When a node's certificate begins and ends: within its authority's own time."""
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
    """What is wrong with the certificates' time, if machines boot within the boot window."""
    return (
        *unset_clock_findings(now),
        *_beginning_findings(plan, secrets, now),
        *_authority_findings(plan, secrets, now),
        *_leaf_findings(plan, secrets, now),
    )


def _beginning_findings(plan: Plan, secrets: Secrets, now: datetime) -> Iterator[Finding]:
    """Errors for what begins in the future: machines in the right time would wait for it."""
    ahead = False
    for name, authority in secrets.authorities.items():
        certificate = authority.certificate
        begin = certificate.not_valid_before_utc
        if begin > now:
            ahead, own = True, certificate.issuer == certificate.subject
            yield _begins(f"the {name} CA begins", begin - now, begin, _MEND_CA if own else _ISSUER)
    begins = {
        n.name: max((b for b, _ in _dates(plan, secrets, n)), default=now) for n in plan.nodes
    }
    late = sorted(name for name, begin in begins.items() if begin > now)
    if late and not ahead:  # Where a CA begins later, its own finding has said so.
        begin = max(begins.values())
        yield _begins(f"the certificates of {_list(late)} begin", begin - now, begin, _MEND)


def _begins(what: str, difference: timedelta, begin: datetime, hint: str) -> Finding:
    message = f"{what} {begin:%Y-%m-%d}, {ahead_text(difference)}"
    return Finding(path=("pki", "backdate"), message=message, hint=hint, at_key=True)


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
        return  # Where a CA ends first, its own finding has said so.
    left = min(known[name] for name in short) - now
    whose = f"the certificates of {_list(short)}"
    yield Finding(
        path=("pki", "bootWindow"),
        message=f"{whose} have too little life left: the first {_life(left)}, the boot window is"
        f" {duration_text(window)}",
        hint=_hint(plan),
    )


def _hint(plan: Plan) -> str:
    pki = plan.spec.pki
    lifetimes = [pki.certificate_validity, pki.node_identity_validity or pki.certificate_validity]
    if min(lifetimes) <= pki.boot_window:
        return "give certificates a longer life than pki.bootWindow"
    return "khgen certs renew"


def _first_end(plan: Plan, secrets: Secrets, node: NodePlan) -> datetime | None:
    return min((end for _, end in _dates(plan, secrets, node)), default=None)


def _dates(plan: Plan, secrets: Secrets, node: NodePlan) -> list[tuple[datetime, datetime]]:
    holders = HOLDERS[node.kind, plan.stacked]
    leaves = [(e.name, e.issuer) for e in CERTIFICATES if e.held_by in holders]
    # What serves the founding alone lives for one boot window, and does not count here: a cluster
    # that stands does without, and where it is missed the gate of its holder says so.
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
    return f"ends in {left.days}d" if left.days else "ends within a day"


def _list(names: list[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
