"""The values that the install and prepare steps read."""

import re

import pytest

from khgen.files.operating_system import install_environment
from khgen.plan.cluster_plan import NodeKind
from khgen.resources import verbatim
from support.boot_steps import machine_steps
from support.machine_specs import BAKED, DEBIAN, LOAD_BALANCER, ROCKY, UBUNTU, machine_plan

DEBIAN_WORKER = (
    "kubeadm=1.29.6-* kubelet=1.29.6-* kubectl=1.29.6-* containerd.io=1.7.* "
    "ca-certificates curl chrony conntrack ethtool iptables socat"
)
ROCKY_WORKER = (
    "kubeadm-1.29.6-* kubelet-1.29.6-* kubectl-1.29.6-* containerd.io-1.7.* "
    "chrony conntrack-tools ethtool iptables-nft iproute-tc socat"
)


@pytest.mark.parametrize(
    ("system", "packages"),
    [(DEBIAN, DEBIAN_WORKER), (UBUNTU, DEBIAN_WORKER), (ROCKY, ROCKY_WORKER)],
)
def test_packages_of_a_worker(system: dict[str, object], packages: str) -> None:
    assert install_environment(machine_plan(os=system), NodeKind.WORKER)["PACKAGES"] == packages


def test_control_planes_with_a_vip_balance_load() -> None:
    packages = install_environment(machine_plan(), NodeKind.FOUNDER)["PACKAGES"].split()
    assert packages[-2:] == ["haproxy", "keepalived"]


def test_behind_dedicated_load_balancers_they_do_not() -> None:
    nodes = [
        {"name": "cp1", "role": "control-plane", "address": "192.168.10.11"},
        LOAD_BALANCER,
    ]
    plan = machine_plan(nodes=nodes)
    assert "haproxy" not in install_environment(plan, NodeKind.FOUNDER)["PACKAGES"]
    balancer = install_environment(plan, NodeKind.LOAD_BALANCER)["PACKAGES"].split()
    assert balancer == ["ca-certificates", "curl", "chrony", "haproxy", "keepalived"]


def test_etcd_hosts_get_no_kubeadm() -> None:
    packages = install_environment(machine_plan(), NodeKind.ETCD_FOUNDER)["PACKAGES"]
    assert "kubelet=1.29.6-*" in packages
    assert "cri-tools" in packages
    assert "kubeadm" not in packages
    assert "kubectl" not in packages


@pytest.mark.parametrize(
    ("version", "pattern"), [("1.7", "1.7.*"), ("1.7.27", "1.7.27-*"), ("2.x", "2.*")]
)
def test_containerd_is_pinned_as_far_as_it_is_said(version: str, pattern: str) -> None:
    plan = machine_plan(containerd={"version": version})
    packages = install_environment(plan, NodeKind.WORKER)["PACKAGES"].split()
    assert f"containerd.io={pattern}" in packages


def test_a_baked_image_is_verified_and_nothing_fetched() -> None:
    values = install_environment(machine_plan(install=BAKED), NodeKind.WORKER)
    assert values["PROGRAMS"].split()[:4] == [
        "kubeadm=1.29.6",
        "kubelet=1.29.6",
        "kubectl=1.29.6",
        "containerd=1.7",
    ]
    assert set(values) == {"PROGRAMS"}


@pytest.mark.parametrize("kind", list(NodeKind))
@pytest.mark.parametrize("system", [DEBIAN, UBUNTU, ROCKY])
@pytest.mark.parametrize("install", [{}, BAKED, {"containerd": "distribution"}])
def test_each_key_is_read_by_a_step_and_each_step_finds_its_keys(
    kind: NodeKind, system: dict[str, object], install: dict[str, object]
) -> None:
    mirrored = {**system, "packageMirror": "https://m.example.org/x"}
    plan = machine_plan(os=mirrored, install=install)
    values = install_environment(plan, kind)
    scripts = "".join(verbatim(f"steps/{name}.sh") for name in machine_steps(plan, kind))
    wanted = set(re.findall(r"\$\{?([A-Z_]{4,})(?!\w|:-)", scripts))
    assert wanted <= set(values)
    assert set(values) <= set(re.findall(r"\$\{?([A-Z_]{4,})", scripts))
