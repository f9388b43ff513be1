"""`khgen secrets`: the file that is the cluster's identity."""

import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from khgen.cli.inputs import now, read_inputs
from khgen.cli.outcome import Exit, Report, wrote
from khgen.cli.secrets_source import (
    changed_file,
    founders_line,
    owner_problems,
    read_secrets,
    recorded_spec,
    require_folder,
    secrets_key,
    secrets_path,
)
from khgen.disk import secrets_file
from khgen.pki.certificates import Authority, PrivateKey
from khgen.pki.continuity import founding_findings
from khgen.pki.lifetime import unset_clock_findings
from khgen.pki.secrets import Secrets, adopted_secrets, founding_nodes
from khgen.pki.secrets_encode import KEY_VARIABLE, time_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The danger of a command, the condition under which it is safe, and the flag that confirms it."""

    danger: str
    condition: str
    flag: str


REFOUND = Question(
    danger="refound starts the cluster over: if machines have booted, its nodes would found a second"
    " cluster beside them",
    condition="If no machine of it has booted",
    flag="--no-machine-has-booted",
)
SEAL = Question(
    danger="seal accepts the secrets file as it is, even if it is damaged or somebody changed it",
    condition="If this content is right for the cluster",
    flag="--content-is-right",
)


def import_directory(spec: Path, directory: Path, named: str | None) -> None:
    """Create the secrets file around the CAs in that directory."""
    report, today = Report(), now()
    inputs = read_inputs(spec, report)
    adopted, problems = secrets_file.import_pki(directory, today)
    report.add(problems, {})
    report.add(inputs.problems((*founding_findings(inputs.spec), *unset_clock_findings(today))), {})
    report.stop_if_fatal()
    assert adopted is not None, "a PKI without errors is a PKI"  # noqa: S101
    path, key = secrets_path(inputs, named), secrets_key(report)
    require_folder(path, report)
    account = adopted.service_account
    made = replace(
        adopted_secrets(inputs.spec, adopted.authorities, account, today, os.urandom),
        spec_file=recorded_spec(inputs.file, named),
    )
    if not secrets_file.create(path, made, key):
        hint = "name another file with --secrets; khgen never replaces a secrets file"
        report.run.fail(Exit.FILES, "exists already and was not changed", hint=hint, file=str(path))
    wrote(path)
    report.show()
    click.echo(f"created {path} (0600) around the CAs of {directory}")
    click.echo(founders_line(made, spec))


def refound(spec: Path, named: str | None, *, confirmed: bool) -> None:
    """Record the founders again; asks for the cluster's name unless `confirmed`."""
    report = Report()
    inputs = read_inputs(spec, report)
    report.add(inputs.problems(founding_findings(inputs.spec)), {})
    source = read_secrets(inputs, named, report, must_exist=True)
    path = changed_file(source, "refound")
    report.add(owner_problems(inputs, source), {})
    report.stop_if_fatal()
    if not confirmed:
        _confirm(REFOUND, inputs.spec.metadata.name)
    founders = ", ".join(founding_nodes(secrets_file.refound(path, inputs.spec, source.key)))
    wrote(path)
    click.echo(f"{path}: the founders are {founders}; next: khgen render {spec}")


def seal(spec: Path, named: str | None, *, confirmed: bool) -> None:
    """Write a new digest of the content; asks for the cluster's name unless `confirmed`."""
    report = Report()
    inputs = read_inputs(spec, report)
    source = read_secrets(inputs, named, report, must_exist=True, sealed=False)
    path = changed_file(source, "seal")
    click.echo("\n".join(_shown(source.secrets)), err=True)
    if not confirmed:
        _confirm(SEAL, inputs.spec.metadata.name)
    if not secrets_file.seal(path, source.secrets, source.key):
        hint = "run the command again and read what it prints"
        report.run.fail(Exit.FILES, "has changed meanwhile", hint=hint, file=str(path))
    wrote(path)
    how = "a digest" if source.key is None else f"the key of {KEY_VARIABLE}"
    click.echo(f"{path}: sealed with {how}")


def _confirm(question: Question, cluster: str) -> None:
    """Ask the user for the cluster's name; ends the command where there is no terminal to ask on."""
    if not sys.stdin.isatty():
        message = f"{question.danger}; confirm with {question.flag}"
        raise click.UsageError(message)
    click.echo(f"{question.danger}.", err=True)
    text = f"{question.condition}, type the cluster's name ({cluster})"
    if click.prompt(text, err=True, default="", show_default=False) != cluster:
        message = f"that is not '{cluster}': nothing was changed"
        raise click.UsageError(message)


def _shown(secrets: Secrets) -> Iterator[str]:
    """All of the accepted content; a key appears as the digest of its public half."""
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
