"""Issuing: a request with everything that a certificate says becomes a key and a certificate."""

import warnings
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from khgen.pki.authorities import (
    Authority,
    certificate_pem,
    key_usage,
    private_key_pem,
    signed,
)
from khgen.pki.derive import serial_number
from khgen.spec.model.values import IPAddress

SubjectAlternativeName = str | IPAddress
_LEAF_KEY_USAGE = key_usage(signs_certificates=False)
_LEAF_CONSTRAINTS = x509.BasicConstraints(ca=False, path_length=None)
_MAX_CHECKED_NAME = 64
"""RFC 5280's upper bound of a common name, which a Kubernetes node name may pass."""


class Usage(StrEnum):
    """What a leaf may be used for."""

    SERVER = "server"
    CLIENT = "client"


_USAGE_OIDS = {
    Usage.SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
    Usage.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafRequest:
    """What a leaf certificate is to say."""

    common_name: str
    organization: str | None
    usages: tuple[Usage, ...]
    subject_alternative_names: tuple[SubjectAlternativeName, ...]
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """An issued certificate with its key, both as PEM."""

    certificate: str
    key: str
    not_before: datetime
    not_after: datetime


def issue_leaf(
    request: LeafRequest, key: ec.EllipticCurvePrivateKey, authority: Authority, seed: bytes
) -> Leaf:
    """The certificate, with the fields that kubeadm's NewSignedCert sets, and its key."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(_subject(request.common_name, request.organization))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(serial_number(seed, _content(request, key, authority)))
        .not_valid_before(request.not_before)
        .not_valid_after(request.not_after)
        .add_extension(_LEAF_KEY_USAGE, critical=True)
        .add_extension(_extended_key_usage(request.usages), critical=False)
        .add_extension(_LEAF_CONSTRAINTS, critical=True)
    )
    authority_key = _authority_key_identifier(authority)
    if authority_key is not None:
        builder = builder.add_extension(authority_key, critical=False)
    if request.subject_alternative_names:
        names = _general_names(request.subject_alternative_names)
        builder = builder.add_extension(names, critical=False)
    return Leaf(
        certificate=certificate_pem(signed(builder, authority.key)),
        key=private_key_pem(key),
        not_before=request.not_before,
        not_after=request.not_after,
    )


def _content(request: LeafRequest, key: ec.EllipticCurvePrivateKey, authority: Authority) -> bytes:
    """Everything that tells this certificate from another: RFC 5280 wants serials unique."""
    point = key.public_key().public_numbers()
    parts = (
        request.common_name,
        request.organization,
        ",".join(request.usages),
        *map(str, request.subject_alternative_names),
        int(request.not_before.timestamp()),
        int(request.not_after.timestamp()),
        point.x,
        point.y,
        authority.certificate.serial_number,
    )
    return "\0".join(map(str, parts)).encode()


def _subject(common_name: str, organization: str | None) -> x509.Name:
    attributes = [_name_attribute(common_name)]
    if organization is not None:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _name_attribute(common_name: str) -> x509.NameAttribute[str]:
    if len(common_name) <= _MAX_CHECKED_NAME:
        return x509.NameAttribute(NameOID.COMMON_NAME, common_name)
    with warnings.catch_warnings():  # Go, and so all of Kubernetes, does not hold to the bound.
        warnings.simplefilter("ignore")
        return x509.NameAttribute(NameOID.COMMON_NAME, common_name, _validate=False)


def _general_names(names: tuple[SubjectAlternativeName, ...]) -> x509.SubjectAlternativeName:
    """DNS names before addresses, the order in which Go's x509 writes them."""
    texts = [x509.DNSName(name) for name in names if isinstance(name, str)]
    addresses = [x509.IPAddress(name) for name in names if not isinstance(name, str)]
    return x509.SubjectAlternativeName([*texts, *addresses])


@lru_cache(maxsize=8)
def _extended_key_usage(usages: tuple[Usage, ...]) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([_USAGE_OIDS[usage] for usage in usages])


@lru_cache(maxsize=64)
def _authority_key_identifier(authority: Authority) -> x509.AuthorityKeyIdentifier | None:
    try:
        own = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return None  # An imported CA may lack it; Go then leaves it out of the leaf too.
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)
