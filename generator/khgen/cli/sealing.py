"""What `khgen secrets seal` does: shows what a secrets file holds, and seals it once accepted."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import click
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from khgen.cli.confirming import Question, confirm
from khgen.cli.inputs import changed_file, read_inputs, read_secrets
from khgen.cli.outcome import Exit, Report, wrote
from khgen.disk.secrets_file import seal
from khgen.pki.authorities import Authority, PrivateKey
from khgen.pki.secrets import Secrets
from khgen.pki.secrets_seal import KEY_VARIABLE
from khgen.pki.secrets_text import time_text

QUESTION = Question(
    danger="seal accepts the secrets file as it stands, damaged or changed by whomever",
    condition="If this is the content that the cluster is to have",
    flag="--content-is-right",
)


def seal_secrets(spec: Path, named: str | None, *, confirmed: bool) -> str:
    """Seal the secrets file once the user has accepted its content; returns what was done."""
    report = Report()
    inputs = read_inputs(spec, report)
    source = read_secrets(inputs, named, report, must_exist=True, sealed=False)
    path = changed_file(source, "seal")
    click.echo("\n".join(_shown(source.secrets)), err=True)
    if not confirmed:
        confirm(QUESTION, inputs.spec.metadata.name)
    if not seal(path, source.secrets, source.key):
        hint = "run the command again, and look at what it prints"
        report.run.fail(Exit.FILES, "has changed meanwhile", hint=hint, file=str(path))
    wrote(path)
    how = "a digest" if source.key is None else f"the key of {KEY_VARIABLE}"
    return f"{path}: sealed with {how}"


def _shown(secrets: Secrets) -> Iterator[str]:
    """Everything that is accepted, but no key: of a key, the digest of its public half."""
    yield f"cluster: {secrets.cluster}"
    yield f"issued: {time_text(secrets.issued_at)}"
    yield f"founders: {_listed(secrets.founders)}"
    yield f"replaced: {_listed(secrets.replaced)}"
    for left in secrets.removed:
        when = time_text(left.removed_at)
        yield f"removed: {left.name}, {left.role}, {left.address}, {when}, machine {left.machines}"
    yield f"founded anew: {secrets.refounded} times"
    yield f"Kubernetes: {secrets.kubernetes or 'not recorded'}"
    for key, value in secrets.identity.items():
        yield f"identity.{key}: {value}"
    for scope, number in sorted(secrets.generations.items()):
        yield f"generation of {scope}: {number}, {time_text(secrets.renewed_at[scope])}"
    for name, authority in secrets.authorities.items():
        yield f"{name} CA: {_described(authority)}"
    yield f"service-account public key: SHA-256 {_fingerprint(secrets.service_account)}"
    yield "not shown: seed, VRRP password, encryption key"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"


def _described(authority: Authority) -> str:
    certificate = authority.certificate
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    digest = _hexadecimal(certificate.fingerprint(hashes.SHA256()))
    return (
        f"{certificate.subject.rfc4514_string()}, {time_text(begin)} to {time_text(end)},"
        f" SHA-256 {digest}"
    )


def _fingerprint(key: PrivateKey) -> str:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _hexadecimal(hashlib.sha256(public).digest())


def _hexadecimal(digest: bytes) -> str:
    return digest.hex(":").upper()
