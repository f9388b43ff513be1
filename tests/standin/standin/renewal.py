"""In place of `kubeadm certs renew all` (app/phases/certs/renewal of 1.29): new keys, the same names.

As a program: all certificates under a folder, valid from some days ago for some days from now.
"""

import base64
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

CERTIFICATES = {
    "pki/ca": ("apiserver", "apiserver-kubelet-client"),
    "pki/front-proxy-ca": ("front-proxy-client",),
    "pki/etcd/ca": ("apiserver-etcd-client", "etcd/healthcheck-client", "etcd/peer", "etcd/server"),
}
KUBECONFIGS = ("admin.conf", "controller-manager.conf", "scheduler.conf", "super-admin.conf")
VALIDITY = timedelta(days=365)


def renew_all(folder: Path, *, etcd: bool, begin: datetime | None, end: datetime) -> Iterator[str]:
    """Issue each certificate anew; what kubeadm prints about each."""
    for authority, names in CERTIFICATES.items():
        if authority == "pki/etcd/ca" and not etcd:
            continue
        signer = folder / authority
        yield from (_renew(folder / "pki" / f"{name}.crt", signer, begin, end) for name in names)
    for name in KUBECONFIGS:
        yield _renew(folder / name, folder / "pki/ca", begin, end)


def _renew(path: Path, authority: Path, begin: datetime | None, end: datetime) -> str:
    if not authority.with_name(f"{authority.name}.key").exists():
        return f"Detected external {authority.name}, {path.name} can't be renewed"
    if not path.exists():
        return f"MISSING! {path.name}"
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".conf":
        found = re.search(r"client-certificate-data: *(\S+)", text)
        assert found is not None
        certificate, key = _issue(base64.b64decode(found[1]), authority, begin, end)
        for name, new in (("client-certificate", certificate), ("client-key", key)):
            encoded = base64.b64encode(new).decode()
            text = re.sub(rf"({name}-data: *)\S+", rf"\g<1>{encoded}", text)
        path.write_text(text, encoding="utf-8")
    else:
        certificate, key = _issue(text.encode(), authority, begin, end)
        path.with_suffix(".key").write_bytes(key)
        path.write_bytes(certificate)
    return f"{path.name} renewed"


def _issue(
    old: bytes, authority: Path, begin: datetime | None, end: datetime
) -> tuple[bytes, bytes]:
    """A certificate like the old one; without a begin it has its authority's, as kubeadm did to 1.30."""
    given = x509.load_pem_x509_certificate(old)
    signer = x509.load_pem_x509_certificate(
        authority.with_name(f"{authority.name}.crt").read_bytes()
    )
    signing = authority.with_name(f"{authority.name}.key").read_bytes()
    key = generate_private_key(SECP256R1())
    builder = x509.CertificateBuilder(
        subject_name=given.subject,
        issuer_name=signer.subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=begin or _begin_of(signer),
        not_valid_after=end,
    )
    for extension in given.extensions:
        if not isinstance(extension.value, x509.SubjectKeyIdentifier):
            builder = builder.add_extension(extension.value, extension.critical)
    signed = builder.sign(load_pem_private_key(signing, None), hashes.SHA256())  # type: ignore[arg-type]
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return signed.public_bytes(Encoding.PEM), private


def _begin_of(certificate: x509.Certificate) -> datetime:
    # Debian 12's library has only the time without its zone.
    aware = getattr(certificate, "not_valid_before_utc", None)
    return aware if isinstance(aware, datetime) else certificate.not_valid_before


def main(folder: str, since: str, left: str) -> None:
    """Issue what is in a folder as if that had been some days ago."""
    now = datetime.now(UTC)
    begin, end = now - timedelta(days=float(since)), now + timedelta(days=float(left))
    print(*renew_all(Path(folder), etcd=True, begin=begin, end=end), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
