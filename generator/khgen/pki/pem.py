"""Reading PEM that others wrote: every fault becomes a message, never a traceback."""

import warnings
from collections.abc import Callable
from datetime import datetime
from operator import attrgetter

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID

from khgen.pki.certificates import (
    COMMON_NAMES,
    Authority,
    AuthorityName,
    PrivateKey,
    public_key_pem,
)

MIN_RSA_BITS = 2048
RESIGN_HINT = "sign the CA's certificate again with its own key, and put it into the secrets file"
"""Existing chains stay valid: leaves identify their CA by its name and its key."""

_BROKEN = (
    ValueError, TypeError, OverflowError, UnsupportedAlgorithm, CryptographyDeprecationWarning,
    x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType,
)  # fmt: skip
"""What the library raises for damaged certificates."""

_PARTS: tuple[Callable[[x509.Certificate], object], ...] = (
    x509.Certificate.public_key,
    *map(attrgetter, (
        "subject", "issuer", "serial_number", "not_valid_before_utc", "not_valid_after_utc",
        "extensions",
    )),
)  # fmt: skip
_COMMON_NAME = NameOID.COMMON_NAME
_CURVES = ("secp256r1", "secp384r1", "secp521r1")


class PemError(ValueError):
    """PEM that cannot be used; the message holds nothing secret."""


def read_authority(name: AuthorityName, certificate_text: str, key_text: str) -> Authority:
    """The authority of a certificate and a key, if they belong together and to this name."""
    certificate, key = read_authority_certificate(certificate_text), read_private_key(key_text)
    public = certificate.public_key()
    if public != key.public_key():
        message = "the key does not belong to the certificate"
        raise PemError(message)
    _refuse_other_place(name, certificate)
    return Authority(certificate=certificate, key=key)


def _refuse_other_place(name: AuthorityName, certificate: x509.Certificate) -> None:
    """Refuse a certificate with kubeadm's name of another CA; other names are accepted."""
    names = [part.value for part in certificate.subject.get_attributes_for_oid(_COMMON_NAME)]
    for other, common_name in COMMON_NAMES.items():
        if other is not name and common_name in names:
            message = f"the certificate belongs to the {other} CA: are two of them swapped?"
            raise PemError(message)


def read_authority_certificate(text: str) -> x509.Certificate:
    """The certificate of a CA that may sign others."""
    certificate = _single_certificate(text)
    extensions = certificate.extensions
    try:
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        message = "not a CA certificate"
        raise PemError(message) from None
    if not constraints.ca:
        message = "not a CA certificate"
        raise PemError(message)
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return certificate
    if not usage.key_cert_sign:
        message = "the certificate may not sign others (no keyCertSign)"
        raise PemError(message)
    return certificate


def read_private_key(text: str) -> PrivateKey:
    """A private key of a kind that kubeadm loads: ECDSA or RSA."""
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except TypeError:
        message = "the key is encrypted with a password"
        raise PemError(message) from None
    except (ValueError, UnsupportedAlgorithm):
        message = "not a private key in PEM"
        raise PemError(message) from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return key
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= MIN_RSA_BITS:
        return key
    message = "the key is neither ECDSA (P-256, P-384, P-521) nor RSA of 2048 bits or more"
    raise PemError(message)


def expiry_text(authority: Authority, now: datetime) -> str | None:
    """The message for an expired authority, or None."""
    end = authority.certificate.not_valid_after_utc
    return f"the CA expired on {end:%Y-%m-%d}" if end <= now else None


def beginning_text(authority: Authority, now: datetime) -> str | None:
    """The message for an authority that begins in the future, or None."""
    begin = authority.certificate.not_valid_before_utc
    return f"the CA is not valid before {begin:%Y-%m-%d}" if begin > now else None


def matches(key: PrivateKey, public_text: str) -> bool:
    """Whether a public key in PEM is the other half of the private one."""
    return public_key_pem(key).split() == public_text.split()


def _single_certificate(text: str) -> x509.Certificate:
    try:
        # A later release of the library will refuse what it only warns about today, like a serial
        # that is not positive: refuse it already.
        with warnings.catch_warnings():
            warnings.simplefilter("error", CryptographyDeprecationWarning)
            certificates = x509.load_pem_x509_certificates(text.encode())
            _read_all(certificates[0])
    except _BROKEN:
        message = "not a certificate in PEM"
        raise PemError(message) from None
    except InvalidSignature:
        message = "the certificate's signature does not match its own key: it was changed"
        raise PemError(message) from None
    if len(certificates) > 1:
        message = f"{len(certificates)} certificates where one is expected"
        raise PemError(message)
    return certificates[0]


def _read_all(certificate: x509.Certificate) -> None:
    """Read every part, because the library parses some only on access, and check the signature.

    kubeadm also accepts an intermediate CA; its signature cannot be checked without its issuer.
    """
    for part in _PARTS:
        part(certificate)
    if certificate.issuer == certificate.subject:
        certificate.verify_directly_issued_by(certificate)
