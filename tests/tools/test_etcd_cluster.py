"""A real three-member etcd cluster with the arguments and certificates that external-etcd renders,
its members moved to 127.0.1.6, .7 and .8."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from khgen.pki.secrets import Secrets, new_secrets
from khgen.plan.cluster_plan import build_plan
from khgen.render import ClusterRender
from khgen.spec.model import ClusterSpec, NodeRole
from support.etcd_members import EtcdMember, etcdctl, wait_for_port
from support.fixed import known_entropy
from support.programs import require_namespaces, require_program
from support.rendering import example_spec
from support.rootfs import write_rootfs

pytestmark = pytest.mark.tools
BRIEFLY = ("--command-timeout=1s",)
PKI = Path("etc/kubernetes/pki")
LOOPBACK = {f"10.0.0.{n}": ip_address(f"127.0.1.{n}") for n in (6, 7, 8)}


@pytest.fixture(scope="module")
def spec() -> ClusterSpec:
    """The example after its checks, which rightly refuse loopback addresses for machines."""
    plain = example_spec("external-etcd")
    nodes = tuple(
        node.model_copy(update={"address": LOOPBACK[str(node.address)]})
        if node.role is NodeRole.ETCD
        else node
        for node in plain.nodes
    )
    return plain.model_copy(update={"nodes": nodes})


def secrets_of(spec: ClusterSpec, entropy: str) -> Secrets:
    """Secrets issued now, because etcd looks at the real clock."""
    now = datetime.now(UTC).replace(microsecond=0)
    return new_secrets(spec, now, known_entropy(entropy))


def rendered(spec: ClusterSpec, entropy: str) -> ClusterRender:
    secrets = secrets_of(spec, entropy)
    return ClusterRender(build_plan(spec, secrets.founders), secrets, {})


@pytest.fixture(scope="module")
def members(
    spec: ClusterSpec, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[EtcdMember]]:
    require_namespaces()
    require_program("etcd")
    require_program("etcdctl")
    folder = tmp_path_factory.mktemp("etcd")
    render = rendered(spec, "etcd members")
    running = []
    try:
        for node in render.plan.etcd_members:
            root = write_rootfs(render.node(node).files, folder / node.name)
            member = EtcdMember(name=node.name, address=str(node.address), root=root)
            running.append(member)
            member.start()
        for member in running:
            wait_for_port(member.address, 2379, seconds=60)
        yield running
    finally:
        for member in running:
            member.stop()


def identity(root: Path, name: str, ca: Path | None = None) -> list[str]:
    pki = root / PKI
    return [
        f"--cacert={ca or pki / 'etcd/ca.crt'}",
        f"--cert={pki / name}.crt",
        f"--key={pki / name}.key",
    ]


def all_members(members: list[EtcdMember]) -> str:
    return "--endpoints=" + ",".join(member.client_url for member in members)


def test_all_three_are_healthy_and_voters(members: list[EtcdMember]) -> None:
    client = identity(members[0].root, "etcd/healthcheck-client")
    deadline = time.monotonic() + 60
    health = etcdctl(all_members(members), *client, "endpoint", "health")
    while health.returncode and time.monotonic() < deadline:
        health = etcdctl(all_members(members), *client, "endpoint", "health")
    assert health.returncode == 0, health.stderr + members[0].log()[-2000:]
    listed = json.loads(
        etcdctl(all_members(members), *client, "member", "list", "-w", "json").stdout
    )["members"]
    assert sorted(member["name"] for member in listed) == ["infra0", "infra1", "infra2"]
    assert not any(member.get("isLearner") for member in listed)


def test_a_key_written_to_one_member_is_read_from_another(members: list[EtcdMember]) -> None:
    client = identity(members[0].root, "etcd/healthcheck-client")
    put = etcdctl(f"--endpoints={members[0].client_url}", *client, "put", "khgen", "was here")
    assert put.returncode == 0, put.stderr
    got = etcdctl(f"--endpoints={members[2].client_url}", *client, "get", "khgen")
    assert got.stdout == "khgen\nwas here\n"


def test_the_api_servers_certificate_is_taken(
    members: list[EtcdMember], spec: ClusterSpec, tmp_path: Path
) -> None:
    render = rendered(spec, "etcd members")
    node = render.plan.control_planes[0]
    root = write_rootfs(render.node(node).files, tmp_path)
    client = identity(root, "apiserver-etcd-client")
    for member in members:
        said = etcdctl(f"--endpoints={member.client_url}", *client, "endpoint", "health")
        assert said.returncode == 0, said.stderr


def test_a_client_without_a_certificate_is_refused(members: list[EtcdMember]) -> None:
    ca = members[0].root / PKI / "etcd/ca.crt"
    for member in members:
        said = etcdctl(
            f"--endpoints={member.client_url}", *BRIEFLY, f"--cacert={ca}", "get", "khgen"
        )
        assert said.returncode != 0
        assert "was here" not in said.stdout
    assert "didn't provide a certificate" in members[0].log()


def test_a_client_of_another_ca_is_refused(
    members: list[EtcdMember], spec: ClusterSpec, tmp_path: Path
) -> None:
    foreign = rendered(spec, "a stranger")
    node = foreign.plan.etcd_members[0]
    root = write_rootfs(foreign.node(node).files, tmp_path)
    ours = members[0].root / PKI / "etcd/ca.crt"
    theirs = root / PKI / "etcd/ca.crt"
    assert x509.load_pem_x509_certificate(ours.read_bytes()) != x509.load_pem_x509_certificate(
        theirs.read_bytes()
    )
    client = identity(root, "etcd/healthcheck-client", ca=ours)
    for member in members:
        said = etcdctl(f"--endpoints={member.client_url}", *BRIEFLY, *client, "get", "khgen")
        assert said.returncode != 0
        assert "was here" not in said.stdout
    assert "certificate signed by unknown authority" in members[0].log()
