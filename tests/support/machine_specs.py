"""Small clusters for tests of what nodes run below Kubernetes."""

from khgen.plan.cluster_plan import Plan, build_plan, founders_of
from khgen.spec.model import ClusterSpec

CONTROL_PLANES = [
    {"name": f"cp{n}", "role": "control-plane", "address": f"192.168.10.1{n}"} for n in (1, 2, 3)
]
WORKER = {"name": "w1", "role": "worker", "address": "192.168.10.100"}
ETCD_HOSTS = [
    {"name": f"infra{n}", "role": "etcd", "address": f"192.168.10.6{n}"} for n in (1, 2, 3)
]
LOAD_BALANCER = {"name": "lb1", "role": "load-balancer", "address": "192.168.10.5"}
DEBIAN = {"family": "debian", "release": "12"}
UBUNTU = {"family": "ubuntu", "release": "24.04"}
ROCKY = {"family": "rhel", "release": "9"}
BAKED = {"kubernetes": "image", "containerd": "image"}


def machine_plan(**fields: object) -> Plan:
    """Three control planes behind a VIP and a worker, on Debian; arguments change the spec."""
    spec = ClusterSpec.model_validate(
        {
            "apiVersion": "khgen/v1alpha1",
            "kind": "Cluster",
            "metadata": {"name": "lab"},
            "controlPlaneEndpoint": {"vip": "192.168.10.240", "port": 8443},
            "os": DEBIAN,
            "nodes": [*CONTROL_PLANES, WORKER],
            **fields,
        }
    )
    return build_plan(spec, founders_of(spec))
