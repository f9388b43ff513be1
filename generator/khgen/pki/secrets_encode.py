"""From the secrets to their file's text, and the seal over it.

The seal is a digest of the content, or a MAC if the operator keeps a key. It covers the values that
YAML reads, not layout, comments or the order of keys: SOPS and editors may write the file again.
"""

import hashlib
import hmac
import json
from base64 import b64encode
from datetime import datetime

import yaml

from khgen.pki.certificates import AuthorityName, certificate_pem, private_key_pem
from khgen.pki.secrets import Secrets
from khgen.plan.cluster_plan import RemovedNode
from khgen.yaml_reader import LOADER
from khgen.yaml_text import YamlValue, dump_yaml

API_VERSION = "khgen/v1alpha1"
KIND = "Secrets"

_HEADING = """\
# The identity of cluster {cluster}: every certificate and key comes from this file.
# Keep it private and keep a copy: nothing can make it again. khgen adds to it and removes no key.
"""


SEAL = "digest"
"""The field of the seal, the last one that khgen writes."""

MIN_KEY_BYTES = 16
KEY_VARIABLE = "KHGEN_SECRETS_KEY_FILE"
SEAL_COMMAND = "khgen secrets seal"

_DIGEST, _MAC = "sha256:", "hmac-sha256:"
_SEAL_HINT = (
    "restore the file from a copy; if you changed it by hand and its content is right:"
    f" {SEAL_COMMAND}"
)

Content = str | list["Content"] | dict[str, "Content"]


def encode_secrets(secrets: Secrets, key: bytes | None = None) -> str:
    """The text that decode_secrets reads, sealed with the key if there is one."""
    text = sealed_text(dump_yaml(_document(secrets)), key)
    return _HEADING.format(cluster=secrets.cluster) + text


def sealed_text(text: str, key: bytes | None = None) -> str:
    """An unsealed document with its seal added as the last field."""
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


def seal_of(root: yaml.Node, key: bytes | None) -> str:
    """The seal of a document: with a key an HMAC-SHA256, without one a SHA-256."""
    content = _canonical(root)
    if key is None:
        return _DIGEST + hashlib.sha256(content).hexdigest()
    return _MAC + hmac.digest(key, content, hashlib.sha256).hex()


def seal_fault(root: yaml.Node, seal: str | None, key: bytes | None) -> tuple[str, str] | None:
    """The error and the hint for a document's seal; None if it matches.

    With a key, only a MAC is accepted: otherwise anyone who can write the file could replace the
    MAC by a digest.
    """
    if seal is None:
        return f"the secrets file may be damaged: it has no {SEAL}", _SEAL_HINT
    if key is None and seal.startswith(_MAC):
        hint = f"set {KEY_VARIABLE} to the file that holds the key"
        return "the secrets file is sealed with a key, but none is given", hint
    if key is not None and not seal.startswith(_MAC):
        return "the secrets file is not sealed with a key, but one is given", _SEAL_HINT
    if hmac.compare_digest(seal_of(root, key).encode(), seal.encode()):
        return None
    other = "" if key is None else ", or it is sealed with another key"
    return f"the secrets file is damaged: its content does not match its {SEAL}{other}", _SEAL_HINT


def _canonical(root: yaml.Node) -> bytes:
    content = _content(root)
    if isinstance(content, dict):
        content.pop(SEAL, None)
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii")


def _content(node: yaml.Node) -> Content:
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _content(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_content(item) for item in node.value]
    return str(node.value)
