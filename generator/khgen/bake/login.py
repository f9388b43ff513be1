"""How Packer logs in to the base image: a key for this bake alone, and the seed that lets it in."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from khgen.yaml_text import YamlValue, dump_yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A private key in OpenSSH's form, and the seed's files."""

    private_key: bytes
    user_data: str
    meta_data: str


def new_login(name: str) -> Login:
    """A login as root that ends with the bake: clean.sh removes the key's other half."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    user_data: YamlValue = {
        "disable_root": False,
        "users": [{"name": "root", "lock_passwd": False, "ssh_authorized_keys": [public]}],
    }
    return Login(
        private_key=key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        user_data=f"#cloud-config\n{dump_yaml(user_data)}",
        meta_data=dump_yaml({"instance-id": f"khgen-bake-{name}"}),
    )
