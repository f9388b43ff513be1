"""A running cluster as its API shows it: lists of objects in the shape that kube-apiserver gives."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from khgen.disk.owned_folder import listing_text
from support.rendered_out import manifest_of

GENERATION = int(datetime(2026, 11, 26, 2, 0, tzinfo=UTC).timestamp())
OLDER = int(datetime(2026, 11, 20, 9, 15, tzinfo=UTC).timestamp())
SINCE = "2026-11-26T02:03:04Z"
VERSION = "1.29.6"

Object = dict[str, Any]


def report_of(state: str = "applied", **changed: object) -> Object:
    """A node's annotation khgen/update, as it writes it."""
    report = {
        "applied": GENERATION,
        "wanted": GENERATION,
        "state": state,
        "line": "",
        "since": SINCE,
        "vip": False,
        "etcd": None,
        "certificatesEnd": "2027-11-26T02:00:00Z",
        "kubernetes": VERSION,
    }
    return report | changed


def node_of(name: str, report: Object | None = None, *, version: str = VERSION) -> Object:
    """A Node that is ready."""
    annotations = {"node.alpha.kubernetes.io/ttl": "0"}
    if report is not None:
        annotations["khgen/update"] = json.dumps(report)
    ready = {
        "lastHeartbeatTime": "2026-11-26T02:03:11Z",
        "lastTransitionTime": "2026-11-26T01:58:40Z",
        "message": "kubelet is posting ready status",
        "reason": "KubeletReady",
        "status": "True",
        "type": "Ready",
    }
    pressure = {"type": "MemoryPressure", "status": "False", "message": "enough memory"}
    return {
        "metadata": {
            "name": name,
            "uid": "0b0f1f7c-6c0e-4ef6-9f0c-0d9d1c2f5a11",
            "resourceVersion": "4711",
            "annotations": annotations,
        },
        "spec": {"podCIDR": "10.244.0.0/24"},
        "status": {
            "conditions": [pressure, ready],
            "nodeInfo": {"kubeletVersion": f"v{version}", "architecture": "amd64"},
        },
    }


def pod_of(node: str, *, version: str = VERSION, ready: bool = True) -> Object:
    """The mirror pod of a control plane's API server."""
    return {
        "metadata": {"name": f"kube-apiserver-{node}", "namespace": "kube-system"},
        "spec": {
            "nodeName": node,
            "containers": [
                {
                    "name": "kube-apiserver",
                    "image": f"registry.lan:5000/k8s/kube-apiserver:v{version}",
                }
            ],
        },
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


@dataclass(kw_only=True)
class SeenCluster:
    """The objects by name; a test changes them, then asks for the lists."""

    nodes: dict[str, Object] = field(default_factory=dict)
    pods: dict[str, Object] = field(default_factory=dict)
    policy: Object = field(default_factory=lambda: {"paused": False, "window": None})
    wanted: dict[str, Object] = field(default_factory=dict)
    state: Object | None = None
    """None where no node has written it yet."""
    given: bool = True
    """Whether update.yaml was applied."""

    def list_of(self, path: str) -> str:
        """The API's answer at that path, as `kubectl get --raw` prints it."""
        if path.startswith("/api/v1/nodes"):
            kind, items = "NodeList", list(self.nodes.values())
        elif "/kube-system/pods" in path:
            kind, items = "PodList", list(self.pods.values())
        else:
            assert "/namespaces/khgen/configmaps" in path, path
            kind, items = "ConfigMapList", [self._roll()] if self.given else []
        return json.dumps({"kind": kind, "apiVersion": "v1", "metadata": {}, "items": items})

    def _roll(self) -> Object:
        data = {"policy": json.dumps(self.policy), "wanted": json.dumps(self.wanted)}
        if self.state is not None:
            data["state"] = json.dumps(self.state)
        return {"metadata": {"name": "roll", "namespace": "khgen"}, "data": data}


def small_cluster() -> SeenCluster:
    """Three control planes and a worker, all as rendered."""
    seen = SeenCluster()
    for name in ("cp1", "cp2", "cp3"):
        seen.nodes[name] = node_of(name, report_of(etcd="healthy", vip=name == "cp1"))
        seen.pods[name] = pod_of(name)
        seen.wanted[name] = {"role": "control-plane", "generation": GENERATION}
    seen.nodes["w1"] = node_of("w1", report_of())
    seen.wanted["w1"] = {"role": "worker", "generation": GENERATION}
    return seen


def give_bundles(out: Path, generation: int | None) -> None:
    """Put update bundles of that generation into the output's manifest, or none."""
    values = manifest_of(out)
    kind = values.pop("kind")
    for key in ("khgen", "sha256"):
        del values[key]
    for node in values["nodes"].values():
        if generation is None:
            del node["update"]
        else:
            node["update"]["generation"] = generation
    (out / "manifest.json").write_text(listing_text(kind, values), encoding="utf-8")


def condition(node: Object, kind: str) -> Object:
    """That condition of a Node or a pod."""
    found: Object = next(one for one in node["status"]["conditions"] if one["type"] == kind)
    return found


def slot_of(role: str, state: str = "rolling", message: str = "") -> Object:
    """A slot, as its holder writes it."""
    return {
        "role": role,
        "generation": GENERATION,
        "since": SINCE,
        "state": state,
        "message": message,
    }
