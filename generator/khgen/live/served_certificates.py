"""The certificates that API servers serve: TLS handshakes, and no request.

OpenSSL checks the chain and the name as clients of the API do. Where it refuses a certificate, a
second handshake without checks fetches it, to show what was wrong.
"""

import socket
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from cryptography import x509

HANDSHAKE_SECONDS = 3
"""So long a connection may take, and then each answer of a handshake."""
_MOST_AT_ONCE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """Where an API server is reached; `node` is None for the endpoint, behind which any may be."""

    host: str
    port: int
    node: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedCertificate:
    """What came of a handshake: a certificate, or why there is none."""

    address: ServerAddress
    certificate: x509.Certificate | None
    fault: str
    """Why clients of the API would refuse it, or why there is no certificate; empty if all is well."""


class Verdict(StrEnum):
    """How a served certificate compares with the rendered one of the same API server."""

    AS_RENDERED = "as rendered"
    RENEWED = "renewed by the node"
    OLDER = "older than rendered"
    OTHER = "not as rendered"
    REFUSED = "refused"
    NOT_SEEN = "not seen"


GOOD = frozenset({Verdict.AS_RENDERED, Verdict.RENEWED})


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedCertificate:
    """A served certificate beside the one that was rendered for the same API server."""

    served: ServedCertificate
    node: str | None
    """Whose it is; None if no API server of the render has it."""
    rendered: x509.Certificate | None
    verdict: Verdict


def served_certificates(
    addresses: Sequence[ServerAddress], authority: str
) -> tuple[ServedCertificate, ...]:
    """What is served at each address, asked at the same time; `authority` is the CA as PEM.

    Raises ssl.SSLError if that is no certificate.
    """
    trusting = _context(authority)
    with ThreadPoolExecutor(max_workers=min(_MOST_AT_ONCE, max(1, len(addresses)))) as threads:
        return tuple(threads.map(partial(_served, context=trusting), addresses))


def compared_certificates(
    served: Sequence[ServedCertificate], rendered: Mapping[str, x509.Certificate]
) -> tuple[ComparedCertificate, ...]:
    """Each served certificate, compared with the rendered ones, which are given by node."""
    return tuple(_compared(one, rendered) for one in served)


def _compared(
    served: ServedCertificate, rendered: Mapping[str, x509.Certificate]
) -> ComparedCertificate:
    certificate, node = served.certificate, served.address.node
    if certificate is not None and node is None:
        node = next((name for name in rendered if name in _names(certificate)), None)
    ours = rendered.get(node) if node is not None else None
    verdict = _verdict(served, ours)
    return ComparedCertificate(served=served, node=node, rendered=ours, verdict=verdict)


def _verdict(served: ServedCertificate, rendered: x509.Certificate | None) -> Verdict:
    certificate = served.certificate
    if certificate is None:
        return Verdict.NOT_SEEN
    if served.fault:
        return Verdict.REFUSED
    if rendered is None:
        return Verdict.OTHER
    if certificate == rendered:
        return Verdict.AS_RENDERED
    if certificate.not_valid_before_utc > rendered.not_valid_before_utc:
        return Verdict.RENEWED
    older = certificate.not_valid_before_utc < rendered.not_valid_before_utc
    return Verdict.OLDER if older else Verdict.OTHER


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return names.get_values_for_type(x509.DNSName)


def _served(address: ServerAddress, context: ssl.SSLContext) -> ServedCertificate:
    certificate: x509.Certificate | None = None
    fault = ""
    try:
        try:
            certificate = _handshake(address, context)
        except ssl.SSLCertVerificationError as error:
            fault = error.verify_message.lower()
            certificate = _handshake(address, _context(None))
    except (OSError, ValueError) as error:
        fault = fault or _reason(error)
    return ServedCertificate(address=address, certificate=certificate, fault=fault)


def _handshake(address: ServerAddress, context: ssl.SSLContext) -> x509.Certificate:
    """The certificate that is served there; the connection is closed after the handshake."""
    place = (address.host, address.port)
    with (
        socket.create_connection(place, timeout=HANDSHAKE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=address.host) as secured,
    ):
        content = secured.getpeercert(binary_form=True)
    if content is None:
        message = "no certificate came"
        raise ValueError(message)
    return x509.load_der_x509_certificate(content)


def _context(authority: str | None) -> ssl.SSLContext:
    """A client that trusts that CA alone, or one that checks nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        # A client of Kubernetes trusts its CA also where that is an intermediate one.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=authority)
    return context


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {HANDSHAKE_SECONDS} s"
    if isinstance(error, ssl.SSLError):
        return f"no TLS handshake: {error.reason or error}".lower()
    text = error.strerror if isinstance(error, OSError) else str(error)
    return (text or str(error)).lower()
