"""Three hosts of etcd under a kubelet, a control plane and a worker.

With the stand-in on every run, and with Kubernetes itself where KHGEN_KUBE_BIN names it.
"""

import json
from collections.abc import Iterator

import pytest

from support.kubernetes import kube_bin, kubeadm_version
from support.local_cluster import ENDPOINT, STAND_IN, LocalCluster, local_cluster
from support.topologies import cluster

pytestmark = pytest.mark.boot
MEMBERS = ("etcd1", "etcd2", "etcd3")


@pytest.fixture(
    scope="module",
    params=["stand-in", pytest.param("kubernetes", marks=pytest.mark.kubernetes)],
)
def waiting(request: pytest.FixtureRequest) -> Iterator[LocalCluster]:
    """Control plane and worker are there first, and wait."""
    real = request.param == "kubernetes"
    version = {"version": str(kubeadm_version())} if real else {}
    spec = cluster(
        {"etcd": 3, "cp": 1, "w": 1},
        etcd={"topology": "external"},
        controlPlaneEndpoint=ENDPOINT,
        kubernetes=version,
    )
    with local_cluster(spec, kube_bin() if real else STAND_IN) as hosts:
        hosts.hosts["cp1"].power_on()
        hosts.hosts["w1"].power_on()
        yield hosts


def test_cluster_forms_when_etcd_comes_later(waiting: LocalCluster) -> None:
    waiting.boot(MEMBERS)
    waiting.wait_ready(60)
    for name in ("cp1", "w1"):
        waiting.wait_done(name, 60)
    members = waiting.members("etcd1")
    assert set(members) == set(MEMBERS)
    assert json.loads(waiting.hosts["cp1"].run("khgen-boot", "status", "--json"))["state"] == "done"


def test_etcd_host_comes_back_after_a_power_cut(waiting: LocalCluster) -> None:
    before = waiting.members("etcd1")
    waiting.hosts["etcd2"].power_cut()
    waiting.wait_ready(15)  # two of three members are a quorum
    waiting.boot(["etcd2"], 60)
    waiting.wait_members("etcd2", before)
