"""update.yaml: the objects by which a cluster hands its nodes their updates.

Each node may read its own Secret and nothing else of the namespace but the ConfigMap `roll`, in which
nodes agree on who is next. Each document is JSON, which is YAML: it is dumped ten times as fast, and
thousands of Secrets are. The ConfigMap comes before the Secrets, so that no node begins before it can
see that others come first.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from khgen.bundle.update_bundle import KIND_ARCHIVE
from khgen.files.living_node import drain_seconds
from khgen.plan.cluster_plan import NodePlan, Plan
from khgen.yaml_text import YamlValue

NAMESPACE = "khgen"
ROLL = "roll"
"""The name of the ConfigMap, and of the Role and the RoleBinding that open it to all nodes."""
GENERATION_LABEL = "khgen/generation"
HEAD = "# Updates of the nodes of {cluster}. It holds keys. Use: kubectl apply -f update.yaml\n"
_ROLE_API = "rbac.authorization.k8s.io"

Manifest = Mapping[str, YamlValue]
"""A Kubernetes object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUpdate:
    """A node of Kubernetes with its update."""

    node: NodePlan
    generation: int
    files: Mapping[str, bytes]


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
    data = {file: _base64(file, content) for file, content in update.files.items()}
    secret: Manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {**_metadata(name), "labels": labels},
        "type": "Opaque",
        "data": data,
    }
    return (_role(name, rule), _binding(name, user), secret)


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


def _base64(file: str, content: bytes) -> str:
    return _shared_base64(content) if file == KIND_ARCHIVE else b64encode(content).decode()


@lru_cache(maxsize=8)
def _shared_base64(content: bytes) -> str:
    return b64encode(content).decode()
