"""Founding without CA keys, where the one holder of super-admin.conf comes last, with Kubernetes."""

from collections.abc import Iterator

import pytest

from khgen.rehearse.local_host import host_status
from khgen.rehearse.processes import wait_until
from support.kubernetes import kube_bin, kubeadm_version
from support.local_cluster import ENDPOINT, LocalCluster, local_cluster
from support.topologies import cluster

pytestmark = [pytest.mark.boot, pytest.mark.kubernetes]
SUPER_ADMIN = "/etc/kubernetes/super-admin.conf"
OTHERS = ("cp2", "cp3")
FOUNDERS = ("cp1", *OTHERS)


@pytest.fixture(scope="module")
def others() -> Iterator[LocalCluster]:
    """Two founders of three, which have come as far as they can."""
    spec = cluster(
        {"cp": 3},
        controlPlaneEndpoint=ENDPOINT,
        kubernetes={"version": str(kubeadm_version())},
        pki={"caKeys": "offline"},
    )
    with local_cluster(spec, kube_bin(), FOUNDERS) as hosts:
        for name in OTHERS:
            hosts.hosts[name].power_on()
        wait_until(
            lambda: all(
                host_status(hosts.hosts[name], 0).step.endswith("-cluster-admins")
                for name in OTHERS
            ),
            240,
            "the others to wait for cp1",
        )
        yield hosts


def test_the_others_name_whom_they_wait_for_and_then_all_are_done(others: LocalCluster) -> None:
    for name in OTHERS:
        host = others.hosts[name]
        wait_until(
            lambda host=host: "waiting for cp1" in host_status(host, 0).said,  # type: ignore[misc]
            30,
            f"{name} to name the holder",
        )
        assert host.read(SUPER_ADMIN) is None
    others.hosts["cp1"].power_on()
    for name in FOUNDERS:
        others.wait_done(name, 240)
    assert set(others.members("cp2")) == set(FOUNDERS)
    for name in FOUNDERS:
        assert others.hosts[name].read(SUPER_ADMIN) is None


@pytest.mark.parametrize("name", FOUNDERS)
def test_roots_kubectl_finds_the_cluster(others: LocalCluster, name: str) -> None:
    nodes = others.hosts[name].run("env", "HOME=/root", "kubectl", "get", "nodes", "-o", "name")
    assert sorted(nodes.split()) == [f"node/{founder}" for founder in FOUNDERS]


def test_the_kubelet_starts_once_at_a_reboot(others: LocalCluster) -> None:
    host = others.hosts["cp3"]
    host.power_cut()
    host.power_on()
    others.wait_done("cp3", 120)
    assert host.run("systemctl", "show", "-P", "NRestarts", "kubelet").strip() == "0"
    assert "containerd.service" in host.run("systemctl", "show", "-P", "After", "kubelet")
