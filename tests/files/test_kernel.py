"""Kernel modules and settings."""

import pytest

from khgen.files.operating_system import MODULES, SETTINGS, kernel_files
from khgen.plan.cluster_plan import NodeKind, Plan
from support.machine_specs import DEBIAN, machine_plan

GONE_OR_CONTRADICTORY = (
    "net.ipv4.tcp_tw_recycle",
    "net.ipv4.tcp_timestamps",
    "net.ipv4.ip_conntrack_max",
    "net.netfilter.nf_conntrack_max",
    "fs.may_detach_mounts",
    "net.ipv4.conf.all.route_localnet",
)


def settings(plan: Plan, kind: NodeKind = NodeKind.WORKER) -> dict[str, str]:
    content = {file.path: file.content for file in kernel_files(plan, kind)}.get(SETTINGS, "")
    pairs = [line.split("=") for line in content.splitlines()]
    assert len(dict(pairs)) == len(pairs), "a key twice"
    return dict(pairs)


def modules(plan: Plan, kind: NodeKind = NodeKind.WORKER) -> list[str]:
    content = {file.path: file.content for file in kernel_files(plan, kind)}.get(MODULES, "")
    return content.split()


def test_settings_that_kubeadm_checks_are_set() -> None:
    plan = machine_plan()
    assert settings(plan)["net.ipv4.ip_forward"] == "1"
    assert settings(plan)["net.bridge.bridge-nf-call-iptables"] == "1"
    assert modules(plan) == ["overlay", "br_netfilter"]


def test_ipv6_is_forwarded_only_where_there_is_ipv6() -> None:
    dual = machine_plan(networking={"podSubnet": "10.244.0.0/16,fd00:10:244::/56"})
    assert settings(dual)["net.ipv6.conf.all.forwarding"] == "1"
    assert "net.ipv6.conf.all.forwarding" not in settings(machine_plan())


def test_ipvs_brings_its_modules() -> None:
    plan = machine_plan(kubernetes={"kubeProxy": {"mode": "ipvs"}})
    assert {"ip_vs", "ip_vs_rr", "nf_conntrack"} <= set(modules(plan))


def test_protected_kernel_defaults_are_what_the_kubelet_wants() -> None:
    plan = machine_plan(kubernetes={"kubelet": {"config": {"protectKernelDefaults": True}}})
    assert settings(plan)["kernel.panic"] == "10"
    assert "kernel.panic" not in settings(machine_plan())


@pytest.mark.parametrize("kind", [NodeKind.LOAD_BALANCER, NodeKind.ETCD_FOUNDER])
def test_hosts_without_pods_are_left_alone(kind: NodeKind) -> None:
    assert kernel_files(machine_plan(), kind) == ()


@pytest.mark.parametrize("key", GONE_OR_CONTRADICTORY)
def test_tuned_has_no_contradictions(key: str) -> None:
    tuned = settings(machine_plan(os={**DEBIAN, "sysctl": {"profile": "tuned"}}))
    assert key not in tuned
    assert tuned["net.ipv4.tcp_tw_reuse"] == "1"


def test_the_spec_wins() -> None:
    extra = {"net.ipv4.ip_forward": "0", "net/core/somaxconn": "99"}
    plan = machine_plan(os={**DEBIAN, "sysctl": {"profile": "tuned", "extra": extra}})
    assert settings(plan)["net.ipv4.ip_forward"] == "0"
    assert settings(plan)["net.core.somaxconn"] == "99"
