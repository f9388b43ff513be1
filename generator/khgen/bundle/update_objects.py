"""update.yaml: the objects by which a cluster hands its nodes their updates.

Each node may read its own Secret and nothing else of the namespace but the ConfigMap `roll`, in which
nodes agree on who is next. Each document is JSON, which is YAML: it is dumped ten times as fast, and
thousands of Secrets are. The ConfigMap comes before the Secrets, so that no node begins before it can
see that others come first.

Archives hold keys, so a Secret has them encrypted, each with a key that only its machine has: whoever
reads Secrets, or a copy of etcd, learns none. kubeadm encrypts its Secret kubeadm-certs likewise.
"""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from khgen.bundle.update_bundle import KIND_ARCHIVE, NODE_ARCHIVE
from khgen.files.living_node import drain_seconds
from khgen.plan.cluster_plan import NodePlan, Plan
from khgen.yaml_text import YamlValue

NAMESPACE = "khgen"
ROLL = "roll"
"""The name of the ConfigMap, and of the Role and the RoleBinding that open it to all nodes."""
GENERATION_LABEL = "khgen/generation"
HEAD = "# Updates of the nodes of {cluster}. Use: kubectl apply -f update.yaml\n"
ENCRYPTED = ".enc"
"""What the name of an encrypted archive ends in."""
_ROLE_API = "rbac.authorization.k8s.io"
_AES_KEY_BYTES, _AES_BLOCK_BYTES, _SALT_BYTES = 32, 16, 8

Manifest = Mapping[str, YamlValue]
"""A Kubernetes object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUpdate:
    """A node of Kubernetes with its update."""

    node: NodePlan
    generation: int
    files: Mapping[str, bytes]
    key: str
    """What its archives are encrypted with (`update_key`)."""


def update_yaml(
    plan: Plan, wanted: Mapping[str, int], updates: Iterable[NodeUpdate]
) -> Iterator[str]:
    """The parts of update.yaml; `wanted` has the generation of each node in it."""
    yield HEAD.format(cluster=plan.spec.metadata.name)
    for one in cluster_objects(plan, wanted):
        yield _document(one)
    for update in updates:
        for one in node_objects(update):
            yield _document(one)


def cluster_objects(plan: Plan, wanted: Mapping[str, int]) -> tuple[Manifest, ...]:
    """The namespace, and the ConfigMap in which all nodes agree on who is next."""
    rule: YamlValue = {
        "apiGroups": [""],
        "resources": ["configmaps"],
        "resourceNames": [ROLL],
        "verbs": ["get", "patch", "update"],
    }
    nodes: YamlValue = {"kind": "Group", "name": "system:nodes", "apiGroup": _ROLE_API}
    data = {
        "policy": _json(policy(plan)),
        "wanted": _json(
            {
                name: {"role": plan.by_name[name].role.value, "generation": generation}
                for name, generation in wanted.items()
            }
        ),
    }
    return (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(ROLL), "data": data},
        _role(ROLL, rule),
        _binding(ROLL, nodes),
    )


def policy(plan: Plan) -> Mapping[str, YamlValue]:
    """What the spec says about the order of updates, as nodes read it."""
    spec = plan.spec.updates
    window: YamlValue = None
    if spec.window is not None:
        window = {
            "days": [day.value for day in spec.window.days],
            "start": spec.window.start,
            "minutes": int(spec.window.length.total_seconds()) // 60,
        }
    return {
        "paused": spec.paused,
        "maxUnavailable": spec.max_unavailable,
        "drainSeconds": drain_seconds(plan),
        "window": window,
    }


def node_objects(update: NodeUpdate) -> tuple[Manifest, ...]:
    """A node's Secret, and the Role and RoleBinding by which that node alone may read it."""
    node = update.node.name
    name = f"update-{node}"
    rule: YamlValue = {
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": [name],
        "verbs": ["get"],
    }
    user: YamlValue = {"kind": "User", "name": f"system:node:{node}", "apiGroup": _ROLE_API}
    labels: YamlValue = {GENERATION_LABEL: str(update.generation)}
    files = sealed_files(update.files, update.key)
    data = {name: b64encode(content).decode() for name, content in files.items()}
    secret: Manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {**_metadata(name), "labels": labels},
        "type": "Opaque",
        "data": data,
    }
    return (_role(name, rule), _binding(name, user), secret)


def sealed_files(files: Mapping[str, bytes], key: str) -> Mapping[str, bytes]:
    """What a node's Secret has: the four files of its update, with the archives encrypted."""
    archives = (KIND_ARCHIVE, NODE_ARCHIVE)
    plain = {name: content for name, content in files.items() if name not in archives}
    return plain | {name + ENCRYPTED: _sealed(name, files[name], key) for name in archives}


def _sealed(name: str, content: bytes, key: str) -> bytes:
    """A file as `openssl enc -aes-256-ctr -pbkdf2 -iter 1 -md sha256` encrypts it.

    One iteration is enough for a key that nobody can guess. The salt follows from the content: the
    same file gives the same bytes, and no two files share a key stream.
    """
    password = key.encode()
    salt = hmac.digest(password, name.encode() + content, "sha256")[:_SALT_BYTES]
    size = _AES_KEY_BYTES + _AES_BLOCK_BYTES
    derived = hashlib.pbkdf2_hmac("sha256", password, salt, 1, size)
    cipher = Cipher(AES(derived[:_AES_KEY_BYTES]), CTR(derived[_AES_KEY_BYTES:]))
    return b"Salted__" + salt + cipher.encryptor().update(content)


def _role(name: str, rule: YamlValue) -> Manifest:
    return {
        "apiVersion": f"{_ROLE_API}/v1",
        "kind": "Role",
        "metadata": _metadata(name),
        "rules": [rule],
    }


def _binding(name: str, subject: YamlValue) -> Manifest:
    return {
        "apiVersion": f"{_ROLE_API}/v1",
        "kind": "RoleBinding",
        "metadata": _metadata(name),
        "subjects": [subject],
        "roleRef": {"apiGroup": _ROLE_API, "kind": "Role", "name": name},
    }


def _metadata(name: str) -> Mapping[str, YamlValue]:
    return {"name": name, "namespace": NAMESPACE}


def _document(value: Manifest) -> str:
    return f"---\n{json.dumps(value)}\n"


def _json(value: Mapping[str, YamlValue]) -> str:
    return json.dumps(value, sort_keys=True)
