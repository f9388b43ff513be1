"""A new seed and a reboot: what is in force after them, on a control plane and on a worker."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from khgen.pki.secrets import EVERYONE, renewed
from khgen.plan.cluster_plan import build_plan
from khgen.rehearse.local_host import LocalHost, put
from khgen.rehearse.rehearsed_spec import MANIFESTS, rehearsed
from khgen.render import ClusterRender
from support.local_cluster import ENDPOINT, LocalCluster, local_cluster
from support.topologies import cluster

pytestmark = pytest.mark.boot
FLAG = {"apiServer": {"extraArgs": {"audit-log-maxage": "7"}}}
IMAGE_KEY = "ssh-ed25519 AAAAof-the-image"
HOST_KEYS = "cat /etc/ssh/ssh_host_*_key.pub"
SERVED = (
    "openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null | openssl x509 -noout -serial"
)
PLACED = "openssl x509 -noout -serial -in"
CLIENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"
STATUS = ("khgen-boot", "status", "--json")


@pytest.fixture(scope="module")
def booted() -> Iterator[LocalCluster]:
    """A single control plane, which has the VIP, and a worker."""
    with local_cluster(cluster({"cp": 1, "w": 1}, controlPlaneEndpoint=ENDPOINT)) as hosts:
        for host in hosts.hosts.values():
            put(host.folder / "upper/etc/ssh/ssh_host_ed25519_key.pub", IMAGE_KEY.encode())
            put(host.folder / "upper/etc/ssh/ssh_host_ed25519_key", b"of the image")
        hosts.boot()
        yield hosts


@pytest.fixture(scope="module")
def before(booted: LocalCluster) -> dict[str, str]:
    """What must stay, and what must not, of each host."""
    return {
        f"{what} of {name}": shell(host, command)
        for name, host in booted.hosts.items()
        for what, command in (("keys", HOST_KEYS), ("client", f"{PLACED} {CLIENT}"))
    } | {"served": shell(booted.hosts["cp1"], SERVED)}


@pytest.fixture(scope="module")
def reseeded(booted: LocalCluster, before: dict[str, str]) -> LocalCluster:
    """Another control plane in the spec, another flag, renewed certificates; then a reboot."""
    assert before
    spec = cluster({"cp": 2, "w": 1}, controlPlaneEndpoint=ENDPOINT, kubernetes=FLAG)
    secrets = renewed(booted.render.secrets, (EVERYONE,), datetime.now(UTC))
    plan = build_plan(rehearsed(spec).spec, secrets.founders)
    booted.render = ClusterRender(plan, secrets, MANIFESTS)
    for name in booted.hosts:
        booted.reseed(name)
    booted.boot(seconds=120)
    return booted


def shell(host: LocalHost, command: str) -> str:
    return host.run("sh", "-c", command)


def steps_of_this_boot(host: LocalHost) -> list[str]:
    said = host.run("journalctl", "-b", "-u", "khgen-boot", "-o", "cat", "--no-pager")
    return re.findall(r"^\d\d-([\w-]+):", said, re.MULTILINE)


def test_the_load_balancers_new_configuration_is_in_force(reseeded: LocalCluster) -> None:
    host = reseeded.hosts["cp1"]
    assert "server cp2 10.1.0.3:6443" in (host.read("/etc/haproxy/haproxy.cfg") or "")
    assert "load-balancer" in steps_of_this_boot(host)
    reseeded.wait_ready(60)


def test_renewed_certificates_are_in_use(reseeded: LocalCluster, before: dict[str, str]) -> None:
    host = reseeded.hosts["cp1"]
    served = shell(host, SERVED)
    assert served == shell(host, f"{PLACED} /etc/kubernetes/pki/apiserver.crt")
    assert served != before["served"]
    for name, other in reseeded.hosts.items():
        assert shell(other, f"{PLACED} {CLIENT}") != before[f"client of {name}"]
        assert "identity" in steps_of_this_boot(other)


def test_only_steps_whose_input_changed_ran_again(reseeded: LocalCluster) -> None:
    for host in reseeded.hosts.values():
        again = set(steps_of_this_boot(host))
        assert again <= {"clock", "load-balancer", "identity", "etcd-member", "etcd-quorum"}, again


def test_the_hosts_keep_their_ssh_keys(reseeded: LocalCluster, before: dict[str, str]) -> None:
    for name, host in reseeded.hosts.items():
        assert "ssh-ed25519" in before[f"keys of {name}"], "the first boot made some"
        assert IMAGE_KEY not in before[f"keys of {name}"], "and deleted those of the image"
        assert shell(host, HOST_KEYS) == before[f"keys of {name}"]


def test_what_is_not_in_force_is_listed_at_each_boot(reseeded: LocalCluster) -> None:
    host = reseeded.hosts["cp1"]
    assert "audit-log-maxage" not in (
        host.read("/etc/kubernetes/manifests/kube-apiserver.yaml") or ""
    )
    for _ in range(2):
        status = json.loads(host.run(*STATUS))
        assert status["state"] == "done"
        (listed,) = status["notInForce"]
        assert listed.startswith("/etc/khgen/kubeadm.yaml: ")
        assert "an update: kubectl apply -f update.yaml" in listed
        said = host.run("journalctl", "-b", "-u", "khgen-boot", "-o", "cat", "--no-pager")
        assert "all done, but not all that was placed is in force:" in said
        assert json.loads(reseeded.hosts["w1"].run(*STATUS))["notInForce"] == []
        host.power_cut()
        reseeded.boot(["cp1"], 60)
        assert steps_of_this_boot(host) == []


def test_no_copy_of_the_renewed_keys_is_left(reseeded: LocalCluster) -> None:
    for host in reseeded.hosts.values():
        reseeded.wait_wiped(host)


def test_the_render_of_the_first_boot_again_ends_the_list(reseeded: LocalCluster) -> None:
    plan = reseeded.render.plan
    spec = plan.spec.model_copy(update={"nodes": plan.spec.nodes[:1] + plan.spec.nodes[2:]})
    assert [node.name for node in spec.nodes] == ["cp1", "w1"]
    kubernetes = rehearsed(cluster({"cp": 1}, controlPlaneEndpoint=ENDPOINT)).spec.kubernetes
    spec = spec.model_copy(update={"kubernetes": kubernetes})
    secrets = replace(reseeded.render.secrets)
    reseeded.render = ClusterRender(build_plan(spec, secrets.founders), secrets, MANIFESTS)
    reseeded.reseed("cp1")
    reseeded.boot(["cp1"], 120)
    host = reseeded.hosts["cp1"]
    assert json.loads(host.run(*STATUS))["notInForce"] == []
    assert "server cp2" not in (host.read("/etc/haproxy/haproxy.cfg") or "")
