"""Small clusters of every shape, built as specs without a file."""

from collections.abc import Mapping

from khgen.plan.cluster_plan import Plan, build_plan
from khgen.spec.model import ClusterSpec

VIP = {"vip": "192.168.10.240", "port": 8443}
_DEDICATED = {
    "nodes": {"cp": 3, "lb": 2, "w": 2},
    "controlPlaneEndpoint": {"vip": "192.168.10.240", "port": 6443},
}
TOPOLOGIES: Mapping[str, Mapping[str, object]] = {
    "stacked": {"nodes": {"cp": 3, "w": 2}},
    "external-etcd": {"nodes": {"etcd": 3, "cp": 3, "w": 2}, "etcd": {"topology": "external"}},
    "external-lb": {
        "nodes": {"cp": 3, "w": 1},
        "controlPlaneEndpoint": {"host": "api.example.net", "port": 6443},
    },
    "dedicated-lb": _DEDICATED,
    "single": {"nodes": {"cp": 1}},
    "offline": {"nodes": {"cp": 3, "w": 2}, "pki": {"caKeys": "offline"}},
    "offline-external-etcd": {
        "nodes": {"etcd": 3, "cp": 2, "w": 1},
        "etcd": {"topology": "external"},
        "pki": {"caKeys": "offline"},
    },
    "p384": {"nodes": {"cp": 3, "w": 1}, "pki": {"algorithm": "ECDSA-P384"}},
}
JOINERS = frozenset({"cp3"})
"""Named like the last of three control planes, which joins rather than founds in every shape."""

_ROLES = {"cp": "control-plane", "w": "worker", "etcd": "etcd", "lb": "load-balancer"}
_SUBNETS = {"cp": 1, "w": 2, "etcd": 3, "lb": 4}


def cluster(counts: Mapping[str, int], **fields: object) -> ClusterSpec:
    """A cluster with so many nodes of each kind (cp, w, etcd, lb), named cp1, cp2, w1…"""
    return ClusterSpec.model_validate(
        {
            "apiVersion": "khgen/v1alpha1",
            "kind": "Cluster",
            "metadata": {"name": "tested"},
            "controlPlaneEndpoint": VIP,
            "os": {"family": "debian", "release": "12"},
            "nodes": [
                {
                    "name": f"{kind}{number}",
                    "role": _ROLES[kind],
                    "address": f"10.{_SUBNETS[kind]}.{number // 250}.{number % 250 + 1}",
                }
                for kind, count in counts.items()
                for number in range(1, count + 1)
            ],
            **fields,
        }
    )


def topology(name: str) -> ClusterSpec:
    """The cluster of that shape."""
    fields = dict(TOPOLOGIES[name])
    counts = fields.pop("nodes")
    assert isinstance(counts, dict)
    return cluster(counts, **fields)


def plan_with_joiner(spec: ClusterSpec) -> Plan:
    """The plan of a cluster whose third control plane came later."""
    return build_plan(spec, [node.name for node in spec.nodes if node.name not in JOINERS])
