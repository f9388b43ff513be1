"""The steps that talk to etcd, against real etcd members with the certificates they are given."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from khgen.plan.cluster_plan import build_plan
from support.etcd_machines import Members
from support.topologies import cluster

pytestmark = pytest.mark.tools
JOINER = "etcd4"


@pytest.fixture
def members(tmp_path: Path) -> Iterator[Members]:
    spec = cluster({"etcd": 4, "cp": 1}, etcd={"topology": "external"})
    members = Members(tmp_path, spec, JOINER)
    yield members
    members.end()


def test_founding_late_member_and_lost_disk(members: Members) -> None:
    members.passes("etcd1", "founder")
    assert "0 of 3 healthy" in members.refuses("etcd1", "etcd-quorum")
    members.start("etcd1")
    members.start("etcd2")
    members.passes("etcd1", "etcd-quorum")
    # The third is known by name from the start, and has not been there: it may found.
    members.passes("etcd3", "founder")
    assert "not healthy" in members.refuses("etcd3", "etcd-member")
    members.start("etcd3")
    members.passes("etcd3", "etcd-member")
    # The same machine with its data goes on; with an empty disk it is a replacement.
    members.passes("etcd3", "founder")
    assert "does not wait for this member" in members.refuses("etcd3", "founder", "second")
    # One that the cluster never had must not found either.
    members.spec = members.spec.model_copy(update={"nodes": members.spec.nodes})
    members.plan = build_plan(members.spec, [node.name for node in members.spec.nodes])
    assert "does not wait for this member" in members.refuses(JOINER, "founder", "never")


def test_a_later_member_joins_and_joins_again_after_losing_its_disk(members: Members) -> None:
    for name in ("etcd1", "etcd2"):
        members.start(name)
    members.passes("etcd1", "etcd-member")
    # The third founder has not come up: no time to change the membership.
    assert "started voter" in members.refuses(JOINER, "etcd-host-join")
    members.start("etcd3")
    members.passes("etcd3", "etcd-member")
    for life in ("first", "second"):
        members.passes(JOINER, "etcd-host-join", life)
        manifest = members.machine(JOINER, life) / "etc/kubernetes/manifests/etcd.yaml"
        assert manifest.stat().st_mode & 0o777 == 0o600
        pod = yaml.safe_load(manifest.read_text())
        command = pod["spec"]["containers"][0]["command"]
        assert "--initial-cluster-state=existing" in command
        (founding,) = (word for word in command if word.startswith("--initial-cluster="))
        assert set(founding.partition("=")[2].split(",")) == {
            f"etcd{number}=https://127.77.0.{number}:2380" for number in (1, 2, 3, 4)
        }
        before = manifest.read_bytes()
        members.passes(JOINER, "etcd-host-join", life)
        assert manifest.read_bytes() == before, "a second run changes nothing"
        members.start(JOINER, life, tuple(command[1:]))
        members.passes(JOINER, "etcd-member", life)
        if life == "first":
            members.stop(JOINER)
