"""Three control planes with etcd on them and a worker, booted from their user-data.

Real systemd, cloud-init, containerd, etcd, haproxy and keepalived; tests/standin takes the place
of kubelet, kubeadm and kubectl.
"""

import json
import re
import time
from collections.abc import Iterator

import pytest

from khgen.rehearse.local_host import LocalHost
from khgen.rehearse.processes import wait_until
from support.balance import api_servers, server_state, tell_haproxy
from support.local_cluster import ENDPOINT, LocalCluster, local_cluster
from support.topologies import cluster
from support.virtual_ip import VirtualIp, steady_holder, vrrp_events
from support.vrrp_model import HostState

pytestmark = pytest.mark.boot
CONTROL_PLANES = ("cp1", "cp2", "cp3")
ALL = (*CONTROL_PLANES, "w1")
SLOW_SECONDS = 12.0
"""Twice what keepalived's check takes at most: two times its interval and timeout (1 + 2 s)."""
UNITS = ("containerd", "kubelet", "haproxy", "keepalived")
API_SERVER = "static-pod-kube-apiserver*"


@pytest.fixture(scope="module")
def booted() -> Iterator[LocalCluster]:
    with local_cluster(cluster({"cp": 3, "w": 1}, controlPlaneEndpoint=ENDPOINT)) as hosts:
        hosts.boot()
        yield hosts


def test_boot_is_reported_done_and_no_unit_failed(booted: LocalCluster) -> None:
    for name in ALL:
        host = booted.hosts[name]
        assert json.loads(host.run("khgen-boot", "status", "--json"))["state"] == "done"
        assert host.tries("systemctl", "is-failed", "khgen-boot.service")[0] != 0
        assert "NRestarts=0" in host.run("systemctl", "show", "khgen-boot", "-p", "NRestarts")
        assert not host.run("systemctl", "--failed", "--plain", "--no-legend")
        status = host.run("cloud-init", "status", "--format", "json")
        assert json.loads(status)["extended_status"] == "done", status


def test_three_founders_made_one_etcd_cluster(booted: LocalCluster) -> None:
    members = booted.members("cp1")
    assert set(members) == set(CONTROL_PLANES)
    assert all(booted.members(name) == members for name in CONTROL_PLANES)
    for name in CONTROL_PLANES:
        booted.etcd(name, "endpoint", "health")


def test_one_host_has_the_virtual_ip_and_the_api_answers_there(booted: LocalCluster) -> None:
    assert len(booted.holders()) == 1
    assert booted.ready()


def test_cluster_has_what_kubeadm_leaves_and_not_what_founding_needed(
    booted: LocalCluster,
) -> None:
    host = booted.hosts["cp2"]
    kubectl = ("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "get", "-o", "name")
    nodes = host.run(*kubectl, "node").split()
    assert sorted(nodes) == [f"node/{name}" for name in ALL]
    marked = host.run(*kubectl, "node", "-l", "node-role.kubernetes.io/control-plane").split()
    assert sorted(marked) == [f"node/{name}" for name in CONTROL_PLANES]
    system = ("-n", "kube-system")
    assert set(host.run(*kubectl, *system, "configmap").split()) == {
        *("configmap/kubeadm-config", "configmap/kubelet-config"),
        *("configmap/coredns", "configmap/kube-proxy"),
    }
    assert not host.run(*kubectl, *system, "secret"), "the founding token is gone"
    for name in CONTROL_PLANES:
        assert booted.hosts[name].read("/etc/kubernetes/super-admin.conf") is None


@pytest.mark.parametrize("name", ALL)
def test_no_copy_of_the_keys_is_left_with_cloud_init(booted: LocalCluster, name: str) -> None:
    host = booted.hosts[name]
    keys = host.run("grep", "-rlE", "PRIVATE KEY", "/etc/kubernetes", "/var/lib/kubelet/pki")
    assert keys, "the node has its keys"
    booted.wait_wiped(host)
    seed = host.run("cat", "/var/lib/cloud/seed/nocloud/user-data")
    assert seed == "#cloud-config\n"


def test_virtual_ip_moves_at_a_power_cut_and_the_host_comes_back(booted: LocalCluster) -> None:
    members = booted.members("cp1")
    (holder,) = booted.holders()
    virtual_ip = VirtualIp(cluster=booted, holder=holder)
    booted.hosts[holder].power_cut()
    booted.wait_ready(60)
    virtual_ip.states[holder] = HostState.DOWN
    virtual_ip.settle()
    booted.boot([holder], 60)
    booted.wait_members(holder, members)
    assert booted.holders() == [virtual_ip.holder]
    assert booted.hosts[holder].run("cloud-init", "status").strip() == "status: done"
    assert_back_by_systemd_alone(booted.hosts[holder])


def assert_back_by_systemd_alone(host: LocalHost) -> None:
    for unit in UNITS:
        assert host.run("systemctl", "is-enabled", unit).strip() == "enabled"
    active = ("systemctl", "is-active", *UNITS)
    wait_until(lambda: host.tries(*active)[1].split() == ["active"] * len(UNITS), 60, "the units")
    wait_until(lambda: own_api_is_ready(host), 60, f"the API server of {host.name}")
    said = host.run("journalctl", "-b", "-u", "khgen-boot", "-o", "cat", "--no-pager")
    assert "all done" in said
    assert not re.search(r"^\d\d-", said, re.MULTILINE), f"khgen-boot did a step: {said}"


def own_api_is_ready(host: LocalHost) -> bool:
    return host.tries("curl", "-sfk", "-m", "2", "https://127.0.0.1:6443/readyz") == (0, "ok")


def test_virtual_ip_moves_when_the_cable_is_pulled(booted: LocalCluster) -> None:
    (holder,) = booted.holders()
    booted.hosts[holder].unplug()
    booted.wait_ready(60)
    booted.hosts[holder].plug()
    wait_until(lambda: len(booted.holders()) == 1, 60, "one holder again")


def test_virtual_ip_stays_when_the_api_is_slow(booted: LocalCluster) -> None:
    (holder,) = booted.holders()
    host, before = booted.hosts[holder], vrrp_events(booted)
    host.run("systemctl", "kill", "--signal=STOP", API_SERVER)
    until = time.monotonic() + SLOW_SECONDS
    try:
        wait_until(lambda: "DOWN" in server_state(host, holder), 60, "haproxy to take it out")
        assert not own_api_is_ready(host)
        while time.monotonic() < until:
            assert booted.holders() == [holder]
            assert booted.namespaces.tries("curl", "-sfk", "-m", "20", endpoint(booted)) == "ok"
            time.sleep(0.2)
    finally:
        host.run("systemctl", "kill", "--signal=CONT", API_SERVER)
    wait_until(lambda: server_state(host, holder) == "UP", 60, "haproxy to take it in again")
    assert vrrp_events(booted) == before


def endpoint(booted: LocalCluster) -> str:
    return f"{booted.render.plan.endpoint.url}/readyz"


def test_api_server_that_no_connection_reaches_is_out_before_its_checks_fail(
    booted: LocalCluster,
) -> None:
    (holder,) = booted.holders()
    host, lost = booted.hosts[holder], next(name for name in CONTROL_PLANES if name != holder)
    own = str(booted.render.plan.by_name[holder].address)
    # Its checks go elsewhere, and all is well there: what takes it out are the connections.
    tell_haproxy(host, f"set server ready/{lost} check-addr {own} port 6443")
    wait_until(lambda: server_state(host, lost) == "UP", 60, f"haproxy to have {lost} in")
    before = int(api_servers(host)[lost]["chkdown"])
    booted.hosts[lost].unplug()
    try:
        wait_until(
            lambda: (
                booted.namespaces.tries("curl", "-sfk", "-m", "20", endpoint(booted)) == "ok"
                and int(api_servers(host)[lost]["chkdown"]) > before
            ),
            60,
            f"haproxy to take {lost} out",
        )
    finally:
        booted.hosts[lost].plug()
        address = str(booted.render.plan.by_name[lost].address)
        tell_haproxy(host, f"set server ready/{lost} check-addr {address} port 6443")
    wait_until(lambda: server_state(host, lost) == "UP", 60, "haproxy to take it in again")


def test_virtual_ip_goes_where_the_model_says_whichever_haproxies_run(
    booted: LocalCluster,
) -> None:
    virtual_ip = VirtualIp(cluster=booted, holder=steady_holder(booted))
    first = virtual_ip.holder
    hosts = sorted(CONTROL_PLANES, key=lambda name: name != first)
    seen = set()
    for turned in (0, 1, 0, 2, 0, 1, 0):  # a Gray code: each state but the first, once
        virtual_ip.turn(hosts[turned])
        seen.add(tuple(virtual_ip.states.values()))
        if virtual_ip.served:
            booted.wait_ready(60)
        if len(seen) == 1:
            assert virtual_ip.holder != first, "it moved away from a host without haproxy"
    assert len(seen) == 2 ** len(hosts) - 1
    booted.hosts[hosts[2]].run("systemctl", "start", "haproxy")


def test_new_instance_id_founds_nothing_again(booted: LocalCluster) -> None:
    members = booted.members("cp1")
    host = booted.hosts["cp3"]
    fresh = booted.render.node(booted.render.plan.by_name["cp3"])
    host.power_cut()
    host.seed(
        {
            "user-data": fresh.user_data.delivered,
            "meta-data": fresh.meta_data.replace("instance-id: ", "instance-id: new-").encode(),
            "network-config": (fresh.network_config or "").encode(),
        }
    )
    booted.boot(["cp3"], 60)
    booted.wait_members("cp3", members)
    assert booted.ready()
