"""The secrets file's text: readable YAML with PEM blocks."""

from base64 import b64encode
from datetime import datetime

import yaml

from khgen.pki.authorities import AuthorityName, certificate_pem, private_key_pem
from khgen.pki.secrets import Secrets
from khgen.pki.secrets_reader import LOADER
from khgen.pki.secrets_seal import SEAL, seal_of
from khgen.plan.cluster_plan import RemovedNode
from khgen.yaml_text import YamlValue, dump_yaml

API_VERSION = "khgen/v1alpha1"
KIND = "Secrets"

_HEADING = """\
# The identity of cluster {cluster}: every certificate and key comes from this file.
# Keep it private and keep a copy. Nothing can make it again; khgen adds to it, and takes no key away.
"""


def encode_secrets(secrets: Secrets, key: bytes | None = None) -> str:
    """The secrets as the text that decode_secrets reads, sealed with the key if there is one."""
    text = sealed_text(dump_yaml(_document(secrets)), key)
    return _HEADING.format(cluster=secrets.cluster) + text


def sealed_text(text: str, key: bytes | None = None) -> str:
    """A document that has no seal yet, with its seal as the last field."""
    root = yaml.compose(text, Loader=LOADER)
    if root is None:
        message = "an empty document has nothing to seal"
        raise ValueError(message)
    return f"{text}{SEAL}: {seal_of(root, key)}\n"


def _document(secrets: Secrets) -> dict[str, YamlValue]:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "cluster": secrets.cluster,
        **({} if secrets.spec_file is None else {"spec": secrets.spec_file}),
        "issuedAt": time_text(secrets.issued_at),
        "founders": list(secrets.founders),
        "replaced": list(secrets.replaced),
        "refounded": secrets.refounded,
        "identity": dict(secrets.identity),
        **({} if secrets.kubernetes is None else {"kubernetes": str(secrets.kubernetes)}),
        **({"removed": [_removed(node) for node in secrets.removed]} if secrets.removed else {}),
        "generations": {
            scope: {"number": count, "renewedAt": time_text(secrets.renewed_at[scope])}
            for scope, count in sorted(secrets.generations.items())
        },
        "seed": b64encode(secrets.seed).decode(),
        "vrrpPassword": secrets.vrrp_password,
        "encryptionKey": b64encode(secrets.encryption_key).decode(),
        "authorities": {name.value: _authority(secrets, name) for name in AuthorityName},
        "serviceAccount": {"key": private_key_pem(secrets.service_account)},
    }


def time_text(moment: datetime) -> str:
    """A moment in UTC, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _removed(node: RemovedNode) -> dict[str, YamlValue]:
    return {
        "name": node.name,
        "role": node.role.value,
        "address": str(node.address),
        "removedAt": time_text(node.removed_at),
        "machines": node.machines,
    }


def _authority(secrets: Secrets, name: AuthorityName) -> dict[str, str]:
    authority = secrets.authorities[name]
    certificate = certificate_pem(authority.certificate)
    return {"certificate": certificate, "key": private_key_pem(authority.key)}
