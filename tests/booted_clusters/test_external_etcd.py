"""Three hosts of etcd under a kubelet, a control plane and a worker; the first two wait for etcd.

With the stand-in on every run, and with Kubernetes itself where KHGEN_KUBE_BIN names it. The hosts
have a name server and a registry mirror beyond their network, and neither is there until a test
puts it there: what they ask for is seen on their cables.
"""

import json
from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest

from khgen.plan.steps import STEPS
from khgen.rehearse.cached_images import Image
from khgen.rehearse.local_host import STATUS, LocalHost, put
from khgen.rehearse.processes import wait_until
from support.kubernetes import kube_bin, kubeadm_version
from support.local_cluster import ENDPOINT, STAND_IN, LocalCluster, local_cluster
from support.registry import IMAGES, PORT, cri_pull, push, registry
from support.topologies import cluster
from support.traffic import Sent, Traffic

pytestmark = pytest.mark.boot
MEMBERS = ("etcd1", "etcd2", "etcd3")
NAME_SERVER, MIRROR, NOBODY = "192.0.2.53", "192.0.2.80", "192.0.2.99"
"""Of TEST-NET-1 (RFC 5737)."""
RESOLVER = f"[Resolve]\nDNS={NAME_SERVER}\n".encode()
MIRRORED = {"registry": "registry.k8s.io", "endpoints": [f"http://{MIRROR}:{PORT}"]}
NODES_PODS_AND_SERVICES = IPv4Network("10.0.0.0/8")
STAMPS = "cd /var/lib/khgen && stat -c '%n %y' */*"
IMAGE = "registry.k8s.io/khgen/tiny:1"


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
        containerd={"registryMirrors": [MIRRORED]},
    )
    with local_cluster(spec, kube_bin() if real else STAND_IN) as hosts:
        for host in hosts.hosts.values():
            put(host.folder / "upper/etc/systemd/resolved.conf.d/beyond.conf", RESOLVER)
        for address in (NAME_SERVER, MIRROR):  # who asks there is refused at once
            hosts.namespaces.run("ip", "address", "add", f"{address}/32", "dev", "lo")
        yield hosts


@pytest.fixture(scope="module")
def traffic(waiting: LocalCluster) -> Traffic:
    """Watches from before the first host has power."""
    log = waiting.testbed.folder / "traffic"
    return Traffic(waiting.namespaces, [NODES_PODS_AND_SERVICES], log)


@pytest.fixture(scope="module")
def held(waiting: LocalCluster, traffic: Traffic) -> list[tuple[LocalHost, str]]:
    """Control plane and worker, each with the step at which it waits until there is an etcd."""
    assert not traffic.sent
    control_plane, worker = waiting.hosts["cp1"], waiting.hosts["w1"]
    held = [(control_plane, at("etcd-quorum")), (worker, at("endpoint"))]
    for host, _ in held:
        host.power_on()
    for host, step in held:
        wait_at(host, step)
    return held


def at(name: str) -> str:
    """A step with its number."""
    return next(step.file_name for step in STEPS if step.name == name)


def status_of(host: LocalHost) -> dict[str, str]:
    return dict(json.loads(host.read(STATUS) or "{}"))


def wait_at(host: LocalHost, step: str, besides: str = "") -> None:
    """Until the host says that it is there, and not since `besides`."""

    def there() -> bool:
        status = status_of(host)
        return status.get("step") == step and status["since"] != besides

    wait_until(there, 120, f"{host.name} at {step}")


def is_active(host: LocalHost) -> tuple[int, str]:
    return host.tries("systemctl", "is-active", "khgen-boot")


def wait_ended(host: LocalHost) -> None:
    """After the last step, khgen-boot wipes the keys from cloud-init's copies."""
    wait_until(lambda: is_active(host) == (3, "inactive\n"), 60, f"{host.name}'s khgen-boot to end")


def test_a_host_held_at_a_gate_is_running_and_not_failed(held: list[tuple[LocalHost, str]]) -> None:
    for host, step in held:
        code, said = host.tries("khgen-boot", "status", "--json")
        assert code == 1
        assert f'"state": "running",\n"step": "{step}"' in said
        assert is_active(host) == (0, "active\n")
        assert host.tries("systemctl", "is-failed", "khgen-boot") == (1, "active\n")
        assert not host.run("systemctl", "--failed", "--plain", "--no-legend")


def test_khgen_boot_that_is_killed_is_started_again_and_goes_on(
    held: list[tuple[LocalHost, str]],
) -> None:
    stamps = [host.run("sh", "-c", STAMPS) for host, _ in held]
    before = [status_of(host)["since"] for host, _ in held]
    for host, _ in held:
        host.run("systemctl", "kill", "--signal=KILL", "khgen-boot")
        assert host.tries("systemctl", "is-failed", "khgen-boot")[0] == 1
    for (host, step), since, done in zip(held, before, stamps, strict=True):
        wait_at(host, step, besides=since)
        assert is_active(host) == (0, "active\n")
        assert "=1" in host.run("systemctl", "show", "khgen-boot", "-p", "NRestarts")
        assert host.run("sh", "-c", STAMPS) == done, "no step was done again"


def test_cluster_forms_when_a_quorum_of_etcd_comes_later(
    waiting: LocalCluster, held: list[tuple[LocalHost, str]]
) -> None:
    *quorum, last = MEMBERS
    for name in quorum:
        waiting.hosts[name].power_on()
    waiting.wait_ready(180)
    for host, _ in held:
        waiting.wait_done(host.name, 120)
        assert json.loads(host.run("khgen-boot", "status", "--json"))["state"] == "done"
        wait_ended(host)
        assert host.tries("systemctl", "is-failed", "khgen-boot") == (1, "inactive\n")
    waiting.boot([last])
    for name in MEMBERS:
        waiting.wait_done(name, 180)
    assert set(waiting.members("etcd1")) == set(MEMBERS)


def test_etcd_host_comes_back_after_a_power_cut(waiting: LocalCluster) -> None:
    before = waiting.members("etcd1")
    waiting.hosts["etcd2"].power_cut()
    waiting.wait_ready(15)  # two of three members are a quorum
    waiting.boot(["etcd2"], 60)
    waiting.wait_members("etcd2", before)


def test_nothing_was_fetched_from_beyond_the_cluster(
    waiting: LocalCluster, traffic: Traffic
) -> None:
    """Neither a name was asked for nor an address tried: the first that was seen is ours."""
    worker = waiting.hosts["w1"]
    worker.tries("curl", "-s", "-m", "1", f"http://{NOBODY}/")
    traffic.wait_for(NOBODY, "tcp 80")
    source = str(waiting.render.plan.by_name["w1"].address)
    assert traffic.sent[0] == Sent(source=source, target=NOBODY, what="tcp 80"), traffic.sent
    worker.tries(*IMAGES, "pull", IMAGE)
    traffic.wait_for(NAME_SERVER, "dns registry.k8s.io")


def test_image_comes_from_the_mirror_and_from_nowhere_else(
    waiting: LocalCluster, traffic: Traffic
) -> None:
    worker, folder = waiting.hosts["w1"], waiting.testbed.folder / "registry"
    busybox = waiting.testbed.rootfs / "usr/bin/busybox"
    with registry(waiting.namespaces, MIRROR, folder) as mirror:
        push(worker, Image(name=IMAGE, files={"/bin/busybox": busybox}), f"{mirror}/khgen/tiny:1")
        assert IMAGE not in worker.run(*IMAGES, "ls", "-q").split()
        before = len(traffic.sent)
        assert "grpc-status: 0" in cri_pull(worker, IMAGE)
    assert IMAGE in worker.run(*IMAGES, "ls", "-q").split()
    assert "/v2/khgen/tiny/manifests/1?ns=registry.k8s.io" in (folder / "log").read_text()
    assert {sent.target for sent in traffic.sent[before:]} <= {MIRROR}
