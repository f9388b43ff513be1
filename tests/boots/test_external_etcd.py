"""Three hosts of etcd under the stand-in's kubelet, a control plane and a worker."""

import json
from collections.abc import Iterator

import pytest

from support.local_cluster import ENDPOINT, LocalCluster, local_cluster
from support.topologies import cluster

pytestmark = pytest.mark.boot
MEMBERS = ("etcd1", "etcd2", "etcd3")


@pytest.fixture(scope="module")
def waiting() -> Iterator[LocalCluster]:
    """Control plane and worker are there first, and wait."""
    spec = cluster(
        {"etcd": 3, "cp": 1, "w": 1},
        etcd={"topology": "external"},
        controlPlaneEndpoint=ENDPOINT,
    )
    with local_cluster(spec) as hosts:
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
    assert json.loads(waiting.hosts["cp1"].run("khgen-boot", "status"))["state"] == "done"


def test_etcd_host_comes_back_after_a_power_cut(waiting: LocalCluster) -> None:
    before = waiting.members("etcd1")
    waiting.hosts["etcd2"].power_cut()
    waiting.wait_ready(15)  # two of three members are a quorum
    waiting.boot(["etcd2"], 60)
    assert waiting.members("etcd2") == before
