"""A control plane that lost its power for good is replaced by one of another name.

With KHGEN_KUBE_BIN it is Kubernetes; otherwise tests/standin takes the place of kubelet, kubeadm
and kubectl.
"""

import json
import os
import re
import time
from collections.abc import Iterator

import pytest

from khgen.rehearse.processes import wait_until
from khgen.spec.model import ClusterSpec
from support.kubernetes import kube_bin, kubeadm_version
from support.local_cluster import ENDPOINT, STAND_IN, LocalCluster, local_cluster
from support.topologies import cluster

pytestmark = pytest.mark.boot
REAL = bool(os.environ.get("KHGEN_KUBE_BIN"))
KUBECTL = ("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf")
STALE_MEMBER = "cp2 was removed, but is still a member of etcd; run: "
STALE_NODE = "cp2 was removed, but is still a Node; run: kubectl delete node cp2"


def without(spec: ClusterSpec, name: str) -> ClusterSpec:
    nodes = tuple(node for node in spec.nodes if node.name != name)
    return spec.model_copy(update={"nodes": nodes})


@pytest.fixture(scope="module")
def spec() -> ClusterSpec:
    kubernetes = {"kubernetes": {"version": str(kubeadm_version())}} if REAL else {}
    return cluster({"cp": 4}, controlPlaneEndpoint=ENDPOINT, **kubernetes)


@pytest.fixture(scope="module")
def booted(spec: ClusterSpec) -> Iterator[LocalCluster]:
    founded = without(spec, "cp4")
    with local_cluster(founded, kube_bin() if REAL else STAND_IN) as hosts:
        hosts.boot(seconds=300)
        yield hosts


def output(booted: LocalCluster, name: str) -> str:
    """What the step that runs there printed last."""
    _, status = booted.hosts[name].tries("khgen-boot", "status", "--json")
    return str(json.loads(status)["output"]) if status.startswith("{") else ""


def journal(booted: LocalCluster, name: str) -> str:
    return booted.hosts[name].run("journalctl", "-b", "-u", "khgen-boot", "-o", "cat", "--no-pager")


def follow(booted: LocalCluster, said: str) -> None:
    """Run the command, as whoever has the operator's kubeconfig does."""
    found = re.search(r"run: kubectl (-n kube-system exec etcd-(cp\d) -- (etcdctl .*))$", said)
    assert found is not None, said
    if REAL:
        # A kubelet that began before its API server shows its static pods a minute late.
        command = (*KUBECTL, *found[1].split())
        wait_until(lambda: booted.hosts["cp1"].tries(*command)[0] == 0, 120, "etcd's mirror pod")
    else:
        booted.hosts[found[2]].run(*found[3].split())


def test_a_dead_control_plane_is_replaced_under_another_name(
    booted: LocalCluster, spec: ClusterSpec
) -> None:
    before = booted.members("cp1")
    booted.removed("cp2")
    booted.rendered_anew(without(spec, "cp2"))
    begun = time.monotonic()
    booted.set_up("cp4").power_on()
    wait_until(lambda: STALE_MEMBER in output(booted, "cp4"), 180, "cp4 to name the member")
    print(f"cp4 named the stale member {time.monotonic() - begun:.0f} s after power on")
    time.sleep(15)
    assert booted.members("cp1") == before, "nobody joins beside the dead one"
    follow(booted, output(booted, "cp4"))
    cleared = time.monotonic()
    booted.wait_done("cp4", 240)
    print(f"cp4 was done {time.monotonic() - cleared:.0f} s after the command")
    after = booted.members("cp1")
    assert set(after) == {"cp1", "cp3", "cp4"}, "three voters, all of them alive"
    assert {name: after[name] for name in ("cp1", "cp3")} == {
        name: before[name] for name in ("cp1", "cp3")
    }
    assert STALE_NODE in journal(booted, "cp4")
    assert booted.ready()


def test_a_remaining_one_names_the_stale_node_and_is_done(booted: LocalCluster) -> None:
    host, members = booted.hosts["cp1"], booted.members("cp3")
    fresh = booted.render.node(booted.render.plan.by_name["cp1"])
    host.power_cut()
    host.seed(
        {
            "user-data": fresh.user_data.delivered,
            "meta-data": fresh.meta_data.replace("instance-id: ", "instance-id: new-").encode(),
            "network-config": (fresh.network_config or "").encode(),
        }
    )
    booted.boot(["cp1"], 180)
    booted.wait_members("cp1", members)
    assert STALE_NODE in journal(booted, "cp1")
    assert STALE_MEMBER not in journal(booted, "cp1")
