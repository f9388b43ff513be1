"""Adopting an existing /etc/kubernetes/pki: its authorities and its service account key."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from khgen.pki.catalog import AUTHORITIES
from khgen.pki.certificates import Authority, AuthorityName, PrivateKey
from khgen.pki.pem import (
    PemError,
    beginning_text,
    expiry_text,
    matches,
    read_authority,
    read_private_key,
)
from khgen.problems import Place, Problem, Problems

SERVICE_ACCOUNT_KEY = "sa.key"
SERVICE_ACCOUNT_PUBLIC = "sa.pub"
ADOPTED_FILES: tuple[str, ...] = (
    *(f"{entry.path}{end}" for entry in AUTHORITIES for end in (".crt", ".key")),
    SERVICE_ACCOUNT_KEY,
    SERVICE_ACCOUNT_PUBLIC,
)
"""The files of a PKI directory that are read: no leaves, because khgen issues its own."""

_OPTIONAL = frozenset({SERVICE_ACCOUNT_PUBLIC})
_COPY_HINT = "copy the whole of /etc/kubernetes/pki from a control plane"
_NO_KEY = "khgen issues certificates, so it needs each CA's key; with `pki.caKeys: offline` no node"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedPki:
    """What khgen keeps of a PKI directory."""

    authorities: Mapping[AuthorityName, Authority]
    service_account: PrivateKey


def adopted_pki(
    texts: Mapping[str, str], directory: str, now: datetime
) -> tuple[AdoptedPki | None, Problems]:
    """The authorities in a directory's files, which `texts` maps by name."""
    problems = [
        _problem(directory, name, "missing", _missing_hint(name))
        for name in ADOPTED_FILES
        if name not in texts and name not in _OPTIONAL
    ]
    if problems:
        return None, Problems.of(problems)
    authorities = _authorities(texts, directory, now, problems)
    try:
        account = read_private_key(texts[SERVICE_ACCOUNT_KEY])
    except PemError as error:
        account_problem = _problem(directory, SERVICE_ACCOUNT_KEY, str(error), _COPY_HINT)
        return None, Problems.of((*problems, account_problem))
    if (
        not matches(account, texts.get(SERVICE_ACCOUNT_PUBLIC, ""))
        and SERVICE_ACCOUNT_PUBLIC in texts
    ):
        message = "does not match sa.key"
        problems.append(_problem(directory, SERVICE_ACCOUNT_PUBLIC, message))
    if problems:
        return None, Problems.of(problems)
    return AdoptedPki(authorities=authorities, service_account=account), Problems()


def _authorities(
    texts: Mapping[str, str], directory: str, now: datetime, problems: list[Problem]
) -> dict[AuthorityName, Authority]:
    authorities: dict[AuthorityName, Authority] = {}
    for entry in AUTHORITIES:
        try:
            authority = read_authority(
                entry.name, texts[f"{entry.path}.crt"], texts[f"{entry.path}.key"]
            )
            _refuse_other_times(authority, now)
            authorities[entry.name] = authority
        except PemError as error:
            problems.append(_problem(directory, f"{entry.path}.crt", str(error), _COPY_HINT))
    return authorities


def _refuse_other_times(authority: Authority, now: datetime) -> None:
    wrong = expiry_text(authority, now) or beginning_text(authority, now)
    if wrong is not None:
        raise PemError(wrong)


def _missing_hint(name: str) -> str:
    if name.endswith("ca.key"):
        return f"{_NO_KEY} ever gets it"
    return _COPY_HINT


def _problem(directory: str, name: str, message: str, hint: str = "") -> Problem:
    place = Place(file=f"{directory}/{name}", line=1, column=1)
    return Problem(message=message, place=place, hint=hint)
