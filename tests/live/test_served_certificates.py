"""What API servers serve, asked by TLS handshakes with real servers and khgen's own certificates."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from khgen.live.served_certificates import (
    HANDSHAKE_SECONDS,
    ComparedCertificate,
    ServerAddress,
    Verdict,
    compared_certificates,
    served_certificates,
)
from khgen.pki.certificates import (
    AuthorityName,
    authority_certificate_pem,
    certificate_pem,
    signed,
)
from khgen.pki.credentials import node_credentials
from khgen.pki.secrets import EVERYONE, Secrets, new_secrets, plan_with, renewed
from support.command import SMALL_SPEC
from support.fixed import known_entropy
from support.rendering import spec_of
from support.tls_servers import TlsServer, tls_server

SPEC = spec_of(SMALL_SPEC + 'kubernetes: {apiServer: {certSANs: ["127.0.0.1"]}}\n')
NOW = datetime.now(UTC).replace(microsecond=0)
LATER = NOW + timedelta(hours=1)


def secrets_of(begun: datetime = NOW, entropy: str = "served") -> Secrets:
    """TEST ONLY: secrets from known entropy, of a first render at that time."""
    return new_secrets(SPEC, begun, known_entropy(entropy))


OURS = secrets_of()
RENEWED = renewed(OURS, (EVERYONE,), LATER)
"""Begins before NOW, because `pki.backdate` is longer than an hour."""


@cache
def pair(secrets_name: str, node: str) -> tuple[str, str]:
    """The certificate and the key of that node's API server."""
    secrets = SECRETS[secrets_name]
    plan = plan_with(SPEC, secrets)
    files = {
        str(file.path): file.content
        for file in node_credentials(plan, plan.by_name[node], secrets).files
    }
    path = "/etc/kubernetes/pki/apiserver"
    return files[f"{path}.crt"], files[f"{path}.key"]


SECRETS = {
    "ours": OURS,
    "renewed": RENEWED,
    "of another CA": secrets_of(entropy="other"),
    "expired": secrets_of(NOW - timedelta(days=3000)),
}


def authority(name: str = "ours") -> str:
    """The CA of these secrets."""
    return authority_certificate_pem(SECRETS[name].authorities[AuthorityName.KUBERNETES])


def rendered(name: str = "ours") -> dict[str, x509.Certificate]:
    """The certificates that were rendered."""
    return {
        node: x509.load_pem_x509_certificate(pair(name, node)[0].encode())
        for node in ("cp1", "cp2", "cp3")
    }


@contextmanager
def serving(folder: Path, name: str, node: str, host: str = "127.0.0.1") -> Iterator[TlsServer]:
    """A server with the certificate of that node's API server."""
    certificate, key = (folder / f"{node}.{end}" for end in ("crt", "key"))
    for path, content in zip((certificate, key), pair(name, node), strict=True):
        path.write_text(content)
    with tls_server(certificate, key, host=host) as server:
        yield server


def asked(
    server: TlsServer, node: str | None, ours: str = "ours", trusted: str = "ours"
) -> ComparedCertificate:
    """What comes of asking that server."""
    address = ServerAddress(host=server.host, port=server.port, node=node)
    served = served_certificates([address], authority(trusted))
    (compared,) = compared_certificates(served, rendered(ours))
    return compared


def test_the_rendered_certificate_is_recognised_by_a_handshake_alone(tmp_path: Path) -> None:
    with serving(tmp_path, "ours", "cp1") as server:
        found = asked(server, "cp1")
    assert (found.verdict, found.served.fault) == (Verdict.AS_RENDERED, "")
    assert found.served.certificate == rendered()["cp1"]
    assert (server.handshakes, server.requests) == (1, [])


@pytest.mark.parametrize(
    ("served", "ours", "verdict"),
    [
        ("renewed", "ours", Verdict.RENEWED),
        ("ours", "renewed", Verdict.OLDER),
    ],
)
def test_a_renewal_is_seen_on_both_sides(
    tmp_path: Path, served: str, ours: str, verdict: Verdict
) -> None:
    with serving(tmp_path, served, "cp1") as server:
        found = asked(server, "cp1", ours)
    assert found.verdict is verdict
    assert found.rendered == rendered(ours)["cp1"]
    assert found.served.certificate == rendered(served)["cp1"]


def test_the_certificate_of_another_node_is_not_the_rendered_one(tmp_path: Path) -> None:
    with serving(tmp_path, "ours", "cp2") as server:
        assert asked(server, "cp1").verdict is Verdict.OTHER


@pytest.mark.parametrize(
    ("served", "trusted", "fault"),
    [
        ("of another CA", "ours", "unable to get local issuer certificate"),
        ("expired", "expired", "certificate has expired"),
    ],
)
def test_what_clients_refuse_is_shown_with_the_reason(
    tmp_path: Path, served: str, trusted: str, fault: str
) -> None:
    with serving(tmp_path, served, "cp1") as server:
        found = asked(server, "cp1", trusted=trusted)
    assert (found.verdict, found.served.fault) == (Verdict.REFUSED, fault)
    assert found.served.certificate == rendered(served)["cp1"]


def test_a_certificate_without_the_address_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path, "ours", "cp1", host="127.0.0.2") as server:
        found = asked(server, "cp1")
    assert found.verdict is Verdict.REFUSED
    assert "ip address mismatch" in found.served.fault


def test_an_intermediate_authority_is_trusted_as_it_stands(tmp_path: Path) -> None:
    ours, root = (SECRETS[n].authorities[AuthorityName.KUBERNETES] for n in ("ours", "expired"))
    builder = (
        x509.CertificateBuilder()
        .subject_name(ours.certificate.subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "some root")]))
        .public_key(ours.key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
    )
    for extension in ours.certificate.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    intermediate = certificate_pem(signed(builder, root.key))
    with serving(tmp_path, "ours", "cp1") as server:
        address = ServerAddress(host=server.host, port=server.port, node="cp1")
        (served,) = served_certificates([address], intermediate)
    assert served.fault == ""


def test_the_endpoint_shows_whose_certificate_it_is(tmp_path: Path) -> None:
    with serving(tmp_path, "ours", "cp3") as server:
        found = asked(server, None)
    assert (found.node, found.verdict) == ("cp3", Verdict.AS_RENDERED)


def test_an_endpoint_of_another_cluster_belongs_to_no_node(tmp_path: Path) -> None:
    with serving(tmp_path, "ours", "cp1") as server:
        address = ServerAddress(host=server.host, port=server.port, node=None)
        (served,) = served_certificates([address], authority())
    (found,) = compared_certificates([served], {})
    assert (found.node, found.verdict) == (None, Verdict.OTHER)


def test_a_closed_port_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    found = asked(TlsServer("127.0.0.1", port), "cp1")
    assert (found.verdict, found.served.fault) == (Verdict.NOT_SEEN, "connection refused")
    assert found.rendered == rendered()["cp1"]


def test_a_server_without_tls_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=answer_plainly, args=(listening,), daemon=True).start()
        found = asked(TlsServer("127.0.0.1", listening.getsockname()[1]), "cp1")
    assert found.verdict is Verdict.NOT_SEEN
    assert found.served.fault.startswith("no tls handshake: ")


def answer_plainly(listening: socket.socket) -> None:
    plain, _ = listening.accept()
    with plain:
        plain.recv(1024)
        plain.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_silent_servers_are_waited_for_at_the_same_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        silent = [ServerAddress(host="127.0.0.1", port=port, node=f"cp{n}") for n in range(1, 6)]
        begun = datetime.now(UTC)
        found = served_certificates(silent, authority())
        took = (datetime.now(UTC) - begun).total_seconds()
    assert {one.fault for one in found} == {f"no answer within {HANDSHAKE_SECONDS} s"}
    assert HANDSHAKE_SECONDS <= took < 2 * HANDSHAKE_SECONDS
