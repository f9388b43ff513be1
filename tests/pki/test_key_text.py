"""Private keys as text: without the public half, and read back by others than ourselves."""

import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from khgen.pki.certificates import PrivateKey, private_key_pem
from support.programs import require_program

KEYS: dict[str, PrivateKey] = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-256, small": ec.derive_private_key(7, ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "P-521": ec.generate_private_key(ec.SECP521R1()),
    "RSA": rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_is_read_back_with_its_public_half(name: str) -> None:
    read = load_pem_private_key(private_key_pem(KEYS[name]).encode(), None)
    assert read.public_key() == KEYS[name].public_key()


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.tools
def test_openssl_computes_the_public_half(name: str) -> None:
    openssl = require_program("openssl")
    text = private_key_pem(KEYS[name])
    done = subprocess.run(
        [openssl, "pkey", "-check", "-noout"],
        input=text,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_text_is_as_short_as_it_can_be() -> None:
    assert len(private_key_pem(KEYS["P-256"])) == 130
