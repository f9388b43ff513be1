"""Certificates: the authorities, and the leaves that they sign."""

import warnings
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from khgen.pki.derive import derive_key_pair, serial_number
from khgen.spec.model.cluster import KeyAlgorithm
from khgen.spec.model.values import IPAddress

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
"""The only keys that kubeadm's loaders accept."""

_TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL


class AuthorityName(StrEnum):
    """The three authorities of a kubeadm cluster."""

    KUBERNETES = "kubernetes"
    ETCD = "etcd"
    FRONT_PROXY = "front-proxy"


COMMON_NAMES: Mapping[AuthorityName, str] = MappingProxyType(
    {
        AuthorityName.KUBERNETES: "kubernetes",
        AuthorityName.ETCD: "etcd-ca",
        AuthorityName.FRONT_PROXY: "front-proxy-ca",
    }
)
"""kubeadm 1.29 app/phases/certs/certlist.go."""


_EC_PRIVATE_KEY = {
    "secp256r1": (bytes.fromhex("30310201010420"), bytes.fromhex("a00a06082a8648ce3d030107")),
    "secp384r1": (bytes.fromhex("303e0201010430"), bytes.fromhex("a00706052b81040022")),
}
"""DER of RFC 5915's ECPrivateKey without its publicKey: the bytes before and after the number."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Authority:
    """A certificate authority; compared by identity, so results for it can be cached."""

    certificate: x509.Certificate
    key: PrivateKey


def new_authority(
    name: AuthorityName,
    entropy: bytes,
    algorithm: KeyAlgorithm,
    not_before: datetime,
    not_after: datetime,
) -> Authority:
    """A new self-signed authority, with the fields that client-go's NewSelfSignedCACert sets."""
    key = derive_key_pair(entropy, algorithm)
    common_name = COMMON_NAMES[name]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial_number(entropy, common_name.encode()))
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(common_name)]), critical=False)
    )
    return Authority(certificate=signed(builder, key), key=key)


def resigned_authority(authority: Authority, not_before: datetime) -> Authority:
    """A self-signed authority signed again by its own key, for the same lifetime from another date.

    Leaves identify their CA by its name and its key, so every chain stays valid.
    """
    old, key = authority.certificate, authority.key
    end = not_before + (old.not_valid_after_utc - old.not_valid_before_utc)
    material = f"{old.fingerprint(hashes.SHA256()).hex()} {int(not_before.timestamp())}"
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.subject)
        .public_key(key.public_key())
        .serial_number(serial_number(b"resigned", material.encode()))
        .not_valid_before(not_before)
        .not_valid_after(end)
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    return Authority(certificate=signed(builder, key), key=key)


def signed(builder: x509.CertificateBuilder, key: PrivateKey) -> x509.Certificate:
    """The certificate signed by this key, with the same bytes each time."""
    digest = signature_hash(key)
    if isinstance(key, rsa.RSAPrivateKey):
        return builder.sign(key, digest, rsa_padding=padding.PKCS1v15())
    return builder.sign(key, digest, ecdsa_deterministic=True)


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """kubeadm's usage bits: digitalSignature and keyEncipherment, with keyCertSign for a CA."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def signature_hash(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    """The digest that Go's x509 signs with: as long as the curve, SHA-256 for RSA."""
    if isinstance(key, rsa.RSAPrivateKey) or key.curve.key_size <= 256:
        return hashes.SHA256()
    return hashes.SHA384() if key.curve.key_size <= 384 else hashes.SHA512()


@lru_cache(maxsize=64)
def authority_certificate_pem(authority: Authority) -> str:
    """The authority's certificate as PEM."""
    return certificate_pem(authority.certificate)


@lru_cache(maxsize=64)
def authority_key_pem(authority: Authority) -> str:
    """The authority's private key as PEM."""
    return private_key_pem(authority.key)


def certificate_pem(certificate: x509.Certificate) -> str:
    """A certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def private_key_pem(key: PrivateKey) -> str:
    """A private key as PEM, in the traditional form that kubeadm writes.

    An ECDSA key is written without its public half. RFC 5915 makes that optional, and every reader
    computes it (Go crypto/x509 sec1.go, OpenSSL). It would be a third of the keys in user-data.
    """
    if isinstance(key, rsa.RSAPrivateKey) or key.curve.name not in _EC_PRIVATE_KEY:
        encryption = serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, _TRADITIONAL, encryption)
        return pem.decode("ascii")
    before, after = _EC_PRIVATE_KEY[key.curve.name]
    number = key.private_numbers().private_value.to_bytes(key.key_size // 8, "big")
    text = b64encode(before + number + after).decode("ascii")
    lines = "\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    return f"-----BEGIN EC PRIVATE KEY-----\n{lines}\n-----END EC PRIVATE KEY-----\n"


def public_key_pem(key: PrivateKey | Ed25519PrivateKey) -> str:
    """The public half as PEM (SubjectPublicKeyInfo)."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode("ascii")


SubjectAlternativeName = str | IPAddress
_LEAF_KEY_USAGE = key_usage(signs_certificates=False)
_LEAF_CONSTRAINTS = x509.BasicConstraints(ca=False, path_length=None)
_MAX_CHECKED_NAME = 64
"""RFC 5280's upper bound of a common name, which the name of a Kubernetes node may exceed."""


class Usage(StrEnum):
    """The extended key usage of a leaf."""

    SERVER = "server"
    CLIENT = "client"


_USAGE_OIDS = {
    Usage.SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
    Usage.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafRequest:
    """The content of a leaf certificate."""

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
    """The certificate and its key, with the fields that kubeadm's NewSignedCert sets."""
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
    """Everything that distinguishes this certificate: RFC 5280 requires unique serials."""
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
    with warnings.catch_warnings():  # Go, and so Kubernetes, does not enforce the bound.
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
        return None  # An imported CA may lack it; Go then omits it in the leaf too.
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)
