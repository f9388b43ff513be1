"""The same boots with Kubernetes itself, from the folder in KHGEN_KUBE_BIN."""

import json
from collections.abc import Iterator

import pytest

from khgen.rehearse.processes import wait_until
from support.kubernetes import kube_bin, kubeadm_version
from support.local_cluster import ENDPOINT, LocalCluster, local_cluster
from support.topologies import cluster

pytestmark = [pytest.mark.boot, pytest.mark.kubernetes]
FOUNDERS = ("cp1", "cp2", "cp3")
KUBECTL = ("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf")


@pytest.fixture(scope="module", params=["control-plane", "offline"])
def booted(request: pytest.FixtureRequest) -> Iterator[LocalCluster]:
    spec = cluster(
        {"cp": 4, "w": 1},
        controlPlaneEndpoint=ENDPOINT,
        kubernetes={"version": str(kubeadm_version())},
        pki={"caKeys": request.param},
    )
    with local_cluster(spec, kube_bin(), FOUNDERS) as hosts:
        hosts.boot((*FOUNDERS, "w1"), 300)
        yield hosts


def ready_nodes(booted: LocalCluster) -> set[str]:
    nodes = json.loads(booted.hosts["cp1"].run(*KUBECTL, "get", "nodes", "-o", "json"))
    return {
        node["metadata"]["name"]
        for node in nodes["items"]
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready" and condition["status"] == "True"
    }


def test_all_nodes_become_ready(booted: LocalCluster) -> None:
    wait_until(lambda: ready_nodes(booted) == {*FOUNDERS, "w1"}, 60, "all Nodes to be Ready")
    assert set(booted.members("cp1")) == set(FOUNDERS)


def test_all_pods_run(booted: LocalCluster) -> None:
    def phases() -> set[str]:
        pods = json.loads(booted.hosts["cp1"].run(*KUBECTL, "get", "pods", "-A", "-o", "json"))
        return {
            str(status["ready"])
            for pod in pods["items"]
            for status in pod["status"].get("containerStatuses", [{"ready": "not started"}])
        }

    wait_until(lambda: phases() == {"True"}, 90, "all pods to be ready")


def test_founding_leaves_no_setting_behind(booted: LocalCluster) -> None:
    command = (*KUBECTL, "-n", "kube-system", "get", "configmap", "kubeadm-config", "-o", "yaml")
    assert "initial-cluster" not in booted.hosts["cp2"].run(*command)
    secrets = booted.hosts["cp2"].run(*KUBECTL, "-n", "kube-system", "get", "secrets", "-o", "name")
    assert "bootstrap-token" not in secrets


def test_kubeadm_knows_its_way_around(booted: LocalCluster) -> None:
    host = booted.hosts["cp3"]
    assert "apiserver-etcd-client" in host.run("kubeadm", "certs", "check-expiration")
    plan = host.run("kubeadm", "upgrade", "plan", str(kubeadm_version()), seconds=120)
    assert "upgrade" in plan


def test_fourth_control_plane_joins(booted: LocalCluster) -> None:
    booted.boot(["cp4"], 180)
    assert set(booted.members("cp4")) == {*FOUNDERS, "cp4"}
    wait_until(lambda: "cp4" in ready_nodes(booted), 60, "the fourth to be Ready")


def test_a_replaced_founder_removes_its_own_stale_member_and_joins(booted: LocalCluster) -> None:
    before = booted.members("cp1")
    booted.replace_machine("cp3")
    booted.boot(["cp3"], 240)
    after = booted.members("cp1")
    assert set(after) == set(before)
    assert after["cp3"] != before["cp3"], "a member of its own, not the old one's"
    assert {name: after[name] for name in after if name != "cp3"} == {
        name: before[name] for name in before if name != "cp3"
    }
    wait_until(lambda: "cp3" in ready_nodes(booted), 90, "the replaced one to be Ready")
