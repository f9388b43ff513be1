"""Keys and numbers derived from the cluster's seed: the same secrets always give the same bytes."""

import hashlib
import hmac
import string
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from khgen.spec.model.cluster import KeyAlgorithm

TOKEN_ALPHABET = string.digits + string.ascii_lowercase
SMALLEST_SERIAL = 2**56
MAX_SERIAL = 2**63 - 2
"""kubeadm's serials are in [1, 2^63 - 2] (1.29 app/util/pkiutil/pki_helpers.go NewSignedCert)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFamily:
    """A curve with its parameters of RFC 9180 (7.1)."""

    curve: ec.EllipticCurve
    kem_id: int
    digest: str
    private_key_bytes: int
    order: int


KEY_FAMILIES = {
    KeyAlgorithm.ECDSA_P256: KeyFamily(
        curve=ec.SECP256R1(),
        kem_id=0x0010,
        digest="sha256",
        private_key_bytes=32,
        order=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    ),
    KeyAlgorithm.ECDSA_P384: KeyFamily(
        curve=ec.SECP384R1(),
        kem_id=0x0011,
        digest="sha384",
        private_key_bytes=48,
        order=int(
            "ffffffffffffffffffffffffffffffffffffffffffffffff"
            "c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
            16,
        ),
    ),
}
"""The curves of khgen's keys: kubeadm's loaders accept only RSA and ECDSA."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The owner of a key, from which values are derived. The operator's node name is empty."""

    cluster: str
    node: str
    name: str


def derive_key_pair(material: bytes, algorithm: KeyAlgorithm) -> ec.EllipticCurvePrivateKey:
    """The private key that RFC 9180 (7.1.3, DeriveKeyPair) derives from the input key material."""
    family = KEY_FAMILIES[algorithm]
    suite = b"HPKE-v1KEM" + family.kem_id.to_bytes(2, "big")
    key = hmac.digest(b"", suite + b"dkp_prk" + material, family.digest)
    size = family.private_key_bytes
    label = size.to_bytes(2, "big") + suite + b"candidate"
    for counter in range(256):
        # One block of HKDF-Expand is enough: the private key is as long as the digest.
        candidate = hmac.digest(key, label + bytes((counter, 1)), family.digest)[:size]
        number = int.from_bytes(candidate, "big")
        if 0 < number < family.order:
            return ec.derive_private_key(number, family.curve)
    message = "256 candidates outside the curve's order: the hash is broken"
    raise ArithmeticError(message)


def leaf_key(
    seed: bytes, identity: Identity, generation: str, algorithm: KeyAlgorithm
) -> ec.EllipticCurvePrivateKey:
    """The private key of an identity in one generation."""
    info = _info("key", identity.cluster, identity.node, identity.name, generation, algorithm)
    size = KEY_FAMILIES[algorithm].private_key_bytes
    return derive_key_pair(_expand(seed, info, size), algorithm)


def update_signing_key(seed: bytes, cluster: str) -> Ed25519PrivateKey:
    """The key that signs the updates of a cluster's nodes; no node has it."""
    return Ed25519PrivateKey.from_private_bytes(_expand(seed, _info("update-signing", cluster), 32))


def serial_number(seed: bytes, content: bytes) -> int:
    """The serial of a certificate, derived from its content.

    It is within kubeadm's range and always eight bytes of DER: what certificates have in common is
    then at the same offset in base64 and compresses (150 bytes on some control planes).
    """
    digest = hmac.digest(seed, _info("serial") + content, hashlib.sha256)
    return SMALLEST_SERIAL + int.from_bytes(digest, "big") % (MAX_SERIAL - SMALLEST_SERIAL)


def derived_text(seed: bytes, purpose: str, length: int) -> str:
    """Pseudorandom text of digits and small letters, for tokens and passwords."""
    return alphabet_text(_expand(seed, _info("text", purpose), length + 16), length)


def alphabet_text(entropy: bytes, length: int) -> str:
    """Digits and small letters from entropy that is at least 16 bytes longer than needed."""
    number, letters = int.from_bytes(entropy, "big"), []
    for _ in range(length):
        number, rest = divmod(number, len(TOKEN_ALPHABET))
        letters.append(TOKEN_ALPHABET[rest])
    return "".join(letters)


def _expand(seed: bytes, info: bytes, length: int) -> bytes:
    # RFC 5869 (3.3): the seed is already uniformly random, so the extract step is skipped.
    if length <= 32:
        return hmac.digest(seed, info + b"\x01", hashlib.sha256)[:length]
    return HKDFExpand(algorithm=SHA256(), length=length, info=info).derive(seed)


def _info(*parts: str) -> bytes:
    encoded = (part.encode() for part in ("khgen/v1", *parts))
    return b"".join(len(part).to_bytes(2, "big") + part for part in encoded)
