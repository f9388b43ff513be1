"""What each kind of node gets installed, from each source, and the steps that depend on the spec.

The golden trees have the order of all steps.
"""

from collections.abc import Mapping
from ipaddress import ip_address

import pytest

from khgen.plan.cluster_plan import NodeKind, Plan, host_port, loopback, url
from khgen.plan.installation import (
    Package,
    Program,
    baked,
    balances_load,
    downloads,
    hosts_kubernetes,
    image_programs,
    packages,
    runs_containerd,
)
from khgen.plan.kernel import kernel_modules, kernel_settings
from khgen.plan.steps import steps_of
from support.machine_specs import BAKED, DEBIAN, ETCD_HOSTS, ROCKY, WORKER, machine_plan
from support.topologies import cluster, plan_with_joiner, topology

FOUNDER, JOINER, WORKERS = NodeKind.FOUNDER, NodeKind.CONTROL_PLANE_JOINER, NodeKind.WORKER
ETCD, BALANCER = NodeKind.ETCD_FOUNDER, NodeKind.LOAD_BALANCER
IMAGE = {"base": {"url": "https://example.com/x.qcow2", "checksum": f"sha256:{'0' * 64}"}}
PIN = {"url": "https://example.com/x", "sha256": "0" * 64}
TARBALL: dict[str, object] = {"containerd": "tarball"}
BINARIES: dict[str, object] = {"kubernetes": "binaries"}
PLAIN = "ca-certificates curl chrony"
CHECKED = "conntrack ethtool iptables socat"
PROGRAMS = "kubeadm=1.29.6-* kubelet=1.29.6-* kubectl=1.29.6-*"
BALANCE = "haproxy keepalived"


def timed(program: str) -> dict[str, object]:
    return {**DEBIAN, "timeSync": {"program": program}}


def listed(found: tuple[Package, ...] | tuple[Program, ...]) -> str:
    """Names, with the version where one is wanted."""
    return " ".join(f"{p.name}={p.version}" if p.version else p.name for p in found)


PACKAGES: tuple[tuple[dict[str, object], NodeKind, str], ...] = (
    ({}, FOUNDER, f"{PROGRAMS} containerd.io=1.7.* {PLAIN} {CHECKED} {BALANCE}"),
    ({}, WORKERS, f"{PROGRAMS} containerd.io=1.7.* {PLAIN} {CHECKED}"),
    ({}, BALANCER, PLAIN),
    ({}, ETCD, f"kubelet=1.29.6-* cri-tools containerd.io=1.7.* {PLAIN} {CHECKED}"),
    ({"os": timed("timesyncd")}, BALANCER, "ca-certificates curl systemd-timesyncd"),
    ({"os": timed("unmanaged")}, BALANCER, "ca-certificates curl"),
    ({"install": {"containerd": "distribution"}}, ETCD,
     f"kubelet=1.29.6-* cri-tools containerd {PLAIN} {CHECKED}"),
    ({"install": {"containerd": "image"}}, WORKERS, f"{PROGRAMS} {PLAIN} {CHECKED}"),
    ({"install": TARBALL}, WORKERS, f"{PROGRAMS} {PLAIN} {CHECKED}"),
    ({"install": BINARIES}, ETCD, f"containerd.io=1.7.* {PLAIN} {CHECKED}"),
    ({"containerd": {"version": "1.7.20"}, "install": BINARIES}, WORKERS,
     f"containerd.io=1.7.20-* {PLAIN} {CHECKED}"),
    ({"install": {"packageVersions": {"kubelet": "1.28.11"}}}, WORKERS,
     f"kubeadm=1.29.6-* kubelet=1.28.11-* kubectl=1.29.6-* containerd.io=1.7.* {PLAIN} {CHECKED}"),
    ({"install": BAKED}, FOUNDER, ""),
    ({"image": IMAGE}, FOUNDER, ""),
)  # fmt: skip


@pytest.mark.parametrize(("fields", "kind", "wanted"), PACKAGES)
def test_packages_by_kind_and_source(
    fields: dict[str, object], kind: NodeKind, wanted: str
) -> None:
    assert listed(packages(machine_plan(**fields), kind)) == wanted


ARTIFACTS = dict.fromkeys(
    ("containerd", "runc", "cniPlugins", "nerdctl", "buildkit", "crictl", "kubeadm", "kubelet",
     "kubectl"),
    PIN,
)  # fmt: skip
OF_TARBALL = "/usr/local/ /usr/local/sbin/runc /opt/cni/bin/"
OF_BINARIES = "/usr/local/bin/ /usr/local/bin/kubeadm /usr/local/bin/kubelet /usr/local/bin/kubectl"
DOWNLOADS: tuple[tuple[dict[str, object], dict[str, object], NodeKind, str], ...] = (
    ({}, {}, WORKERS, ""),
    (TARBALL, {}, WORKERS, OF_TARBALL),
    (TARBALL, {}, BALANCER, ""),
    (BINARIES, {}, WORKERS, f"/opt/cni/bin/ {OF_BINARIES}"),
    (BINARIES, {}, ETCD, "/opt/cni/bin/ /usr/local/bin/ /usr/local/bin/kubelet"),
    (BINARIES | TARBALL, {}, WORKERS, f"{OF_TARBALL} {OF_BINARIES}"),
    ({}, {"nerdctl": True, "buildkit": True}, WORKERS, "/usr/local/bin/ /usr/local/"),
    ({"containerd": "image"}, {"nerdctl": True, "buildkit": True}, WORKERS, ""),
)


@pytest.mark.parametrize(("install", "containerd", "kind", "targets"), DOWNLOADS)
def test_downloads_by_kind_and_source(
    install: dict[str, object], containerd: dict[str, object], kind: NodeKind, targets: str
) -> None:
    plan = machine_plan(install={**install, "artifacts": ARTIFACTS}, containerd=containerd)
    found = downloads(plan, kind)
    assert " ".join(download.target for download in found) == targets
    assert {(d.url, d.sha256) for d in found} <= {(PIN["url"], PIN["sha256"])}
    assert downloads(machine_plan(image=IMAGE, containerd=containerd), kind) == ()


def test_a_download_without_an_artifact_is_left_out() -> None:
    """The checks report it; a plan of such a spec is made all the same."""
    plan = machine_plan(install={**TARBALL, "artifacts": {"runc": PIN}})
    assert [download.target for download in downloads(plan, WORKERS)] == ["/usr/local/sbin/runc"]


VERSIONS = "kubeadm=1.29.6 kubelet=1.29.6 kubectl=1.29.6"
OF_IMAGE: tuple[tuple[dict[str, object], NodeKind, str], ...] = (
    ({}, FOUNDER, ""),
    ({"install": {"kubernetes": "image"}}, WORKERS, VERSIONS),
    ({"install": {"kubernetes": "image"}}, BALANCER, ""),
    ({"install": {"containerd": "image"}}, WORKERS, "containerd=1.7 runc"),
    ({"install": {"containerd": "image"}}, BALANCER, ""),
    ({"install": BAKED}, FOUNDER,
     f"{VERSIONS} containerd=1.7 runc curl conntrack iptables haproxy keepalived chronyd"),
    ({"install": BAKED}, WORKERS,
     f"{VERSIONS} containerd=1.7 runc curl conntrack iptables chronyd"),
    ({"install": BAKED}, ETCD, "kubelet=1.29.6 containerd=1.7 runc curl chronyd"),
    ({"install": BAKED, "os": timed("timesyncd")}, BALANCER, "curl"),
    ({"install": BAKED, "containerd": {"version": "2.0.1", "nerdctl": True, "buildkit": True}}, ETCD,
     "kubelet=1.29.6 containerd=2.0.1 runc nerdctl buildkitd curl chronyd"),
    ({"image": IMAGE, "install": {"packageVersions": {"kubelet": "1.28.11"}}}, WORKERS,
     ("kubeadm=1.29.6 kubelet=1.28.11 kubectl=1.29.6 containerd=1.7 runc curl conntrack iptables"
     " chronyd")),
)  # fmt: skip


@pytest.mark.parametrize(("fields", "kind", "wanted"), OF_IMAGE)
def test_programs_that_the_image_must_have(
    fields: dict[str, object], kind: NodeKind, wanted: str
) -> None:
    assert listed(image_programs(machine_plan(**fields), kind)) == wanted


def test_an_image_brings_everything_only_if_it_brings_both() -> None:
    assert baked(machine_plan(image=IMAGE))
    assert baked(machine_plan(install=BAKED))
    assert not baked(machine_plan(install={"kubernetes": "image"}))
    assert not baked(machine_plan(install={"containerd": "image"}))


def test_properties_of_kinds() -> None:
    assert {kind for kind in NodeKind if hosts_kubernetes(kind)} == {FOUNDER, JOINER, WORKERS}
    assert {kind for kind in NodeKind if not runs_containerd(kind)} == {BALANCER}
    dedicated = plan_with_joiner(topology("dedicated-lb"))
    assert {kind for kind in NodeKind if balances_load(dedicated, kind)} == {BALANCER}
    with_vip = plan_with_joiner(topology("stacked"))
    assert {kind for kind in NodeKind if balances_load(with_vip, kind)} == {FOUNDER, JOINER}
    outside = plan_with_joiner(topology("external-lb"))
    assert not any(balances_load(outside, kind) for kind in NodeKind)


MODULES = ("overlay", "br_netfilter")
KUBERNETES = {
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.bridge.bridge-nf-call-ip6tables": "1",
    "net.ipv4.ip_forward": "1",
    "fs.inotify.max_user_instances": "8192",
}
IPV6 = {"net.ipv6.conf.all.forwarding": "1", "net.ipv6.conf.default.forwarding": "1"}
DUAL = {"podSubnet": "10.244.0.0/16,fd00:1::/56", "serviceSubnet": "10.96.0.0/16,fd00:2::/112"}
PROTECTED = {"kubelet": {"config": {"protectKernelDefaults": True}}}
OWN = {**DEBIAN, "sysctl": {"extra": {"net/ipv4/ip_forward": "0", "vm.swappiness": 10}}}
SETTINGS: tuple[tuple[dict[str, object], NodeKind, Mapping[str, str]], ...] = (
    ({}, WORKERS, KUBERNETES),
    ({}, ETCD, {}),
    ({}, BALANCER, {}),
    ({"networking": DUAL}, WORKERS, KUBERNETES | IPV6),
    ({"networking": DUAL}, ETCD, {}),
    ({"os": OWN}, WORKERS, KUBERNETES | {"net.ipv4.ip_forward": "0", "vm.swappiness": "10"}),
    ({"os": OWN}, BALANCER, {"net.ipv4.ip_forward": "0", "vm.swappiness": "10"}),
)


@pytest.mark.parametrize(("fields", "kind", "settings"), SETTINGS)
def test_kernel_settings_by_kind(
    fields: dict[str, object], kind: NodeKind, settings: Mapping[str, str]
) -> None:
    found = kernel_settings(machine_plan(**fields), kind)
    assert {key: str(value) for key, value in found.items()} == settings


def test_kernel_modules_by_kind() -> None:
    assert kernel_modules(machine_plan(), FOUNDER) == MODULES
    assert kernel_modules(machine_plan(), ETCD) == ()
    ipvs = machine_plan(kubernetes={"kubeProxy": {"mode": "ipvs"}})
    assert kernel_modules(ipvs, WORKERS)[:3] == (*MODULES, "ip_vs")
    assert kernel_modules(ipvs, BALANCER) == ()


def test_what_the_kubelet_protects_is_set_where_it_protects_it() -> None:
    plan = machine_plan(kubernetes=PROTECTED)
    assert kernel_settings(plan, WORKERS)["kernel.panic"] == "10"
    assert "kernel.panic" not in kernel_settings(plan, ETCD)
    tuned = machine_plan(os={**DEBIAN, "sysctl": {"profile": "tuned"}})
    assert kernel_settings(tuned, BALANCER)["vm.max_map_count"] == "262144"


def boot_of(plan: Plan, kind: NodeKind) -> str:
    return " ".join(step.name for step in steps_of(plan, kind))


CALICO = {"calico": PIN}
MANIFEST = {"manifests": [{"name": "net", **PIN}]}
EXTRA_STEPS: tuple[tuple[dict[str, object], NodeKind, set[str], set[str]], ...] = (
    ({"addons": CALICO}, FOUNDER, {"manifests"}, set()),
    ({"addons": MANIFEST}, FOUNDER, {"manifests"}, set()),
    ({"addons": CALICO}, WORKERS, {"ready"}, set()),
    ({"addons": MANIFEST}, WORKERS, {"ready"}, set()),
    ({"os": {**DEBIAN, "blockMetadata": True}}, WORKERS, {"prepare-metadata"}, set()),
    ({"os": {**DEBIAN, "blockMetadata": True}}, ETCD, set(), set()),
    ({"containerd": {"buildkit": True}}, WORKERS, {"buildkit"}, set()),
    ({"containerd": {"buildkit": True}}, BALANCER, set(), set()),
    ({"os": {**DEBIAN, "swap": "unmanaged"}}, WORKERS, set(), {"prepare-swap"}),
    ({"os": ROCKY}, FOUNDER, {"install-rpm", "haproxy-selinux"}, {"install-deb"}),
    ({"os": ROCKY}, WORKERS, {"install-rpm"}, {"install-deb"}),
    ({"os": {**DEBIAN, "sysctl": {"extra": {"vm.swappiness": 0}}}}, BALANCER,
     {"prepare-kernel"}, set()),
    ({"os": {**DEBIAN, "timeSync": {"pools": ["ntp.example.org"]}}}, BALANCER,
     {"prepare-clock"}, set()),
    ({"os": {**DEBIAN, "timeSync": {"program": "unmanaged", "pools": ["ntp.example.org"]}}},
     BALANCER, set(), set()),
    ({"image": IMAGE}, WORKERS, {"image", "install-image"}, {"install-deb"}),
    ({"install": {"kubernetes": "image"}}, WORKERS, {"install-image"}, set()),
    ({"install": {**TARBALL, "artifacts": ARTIFACTS}}, WORKERS, {"install-downloads"}, set()),
    ({"install": {**TARBALL, "artifacts": ARTIFACTS}}, BALANCER, set(), set()),
)  # fmt: skip


@pytest.mark.parametrize(("fields", "kind", "more", "fewer"), EXTRA_STEPS)
def test_a_step_is_there_where_the_spec_wants_it(
    fields: dict[str, object], kind: NodeKind, more: set[str], fewer: set[str]
) -> None:
    before = set(boot_of(machine_plan(), kind).split())
    assert set(boot_of(machine_plan(**fields), kind).split()) == (before | more) - fewer


def test_addresses_in_urls() -> None:
    four, six = ip_address("10.0.0.1"), ip_address("fd00::1")
    assert (host_port("a.example", 1), host_port(four, 2)) == ("a.example:1", "10.0.0.1:2")
    assert (host_port(six, 3), url(six, 4)) == ("[fd00::1]:3", "https://[fd00::1]:4")
    assert (loopback(four), loopback(six)) == ("127.0.0.1", "::1")


def test_endpoint_and_images_are_those_of_the_spec_or_the_default() -> None:
    plan = plan_with_joiner(topology("stacked"))
    assert (plan.endpoint.host, str(plan.endpoint.vip)) == ("192.168.10.240", "192.168.10.240")
    assert plan.endpoint.url == "https://192.168.10.240:8443"
    assert plan.images.etcd.startswith("registry.k8s.io/etcd:3.5.")
    assert plan.images.pause == "registry.k8s.io/pause:3.9"
    named = plan_with_joiner(
        cluster(
            {"cp": 1},
            controlPlaneEndpoint={"vip": "192.168.10.240", "host": "api.lan", "port": 443},
            kubernetes={"imageRepository": "reg.lan/k8s"},
            etcd={"imageTag": "3.5.99-0"},
        )
    )
    assert (named.endpoint.authority, str(named.endpoint.vip)) == ("api.lan:443", "192.168.10.240")
    assert named.images.etcd == "reg.lan/k8s/etcd:3.5.99-0"
    assert named.images.pause == "reg.lan/k8s/pause:3.9"
    sandbox = plan_with_joiner(cluster({"cp": 1}, containerd={"sandboxImage": "reg.lan/p:1"}))
    assert sandbox.images.pause == "reg.lan/p:1"


def test_external_etcd_has_its_own_hosts() -> None:
    plan = machine_plan(
        etcd={"topology": "external"},
        nodes=[
            {"name": "cp1", "role": "control-plane", "address": "10.0.0.1"},
            WORKER,
            *ETCD_HOSTS,
        ],
    )
    assert [node.name for node in plan.etcd_members] == ["infra1", "infra2", "infra3"]
    assert not plan.stacked
    assert plan.etcd_client_urls[0] == "https://192.168.10.61:2379"
