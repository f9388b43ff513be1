"""The etcd member of a removed node: a joining node waits for its removal, and others report it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from support.etcd_machines import Members
from support.kubernetes import run_in
from support.topologies import cluster

pytestmark = pytest.mark.tools
PREPARE_MEMBERSHIP = "set -euo pipefail -a; . /etc/khgen/node.env; . /etc/khgen/etcd-membership.sh; prepare_membership"


@contextmanager
def three_founders(folder: Path, counts: dict[str, int], **fields: object) -> Iterator[Members]:
    """Three members of a kind that run; a fourth of it may join."""
    kind = next(iter(counts))
    members = Members(folder, cluster(counts, **fields), f"{kind}4")
    names = [f"{kind}{number}" for number in (1, 2, 3)]
    try:
        for name in names:
            members.start(name)
        for name in names:
            members.passes(name, "etcd-member")
        yield members
    finally:
        members.end()


def voters(members: Members, name: str, life: str = "first") -> dict[str, bool]:
    """Every member by its peer's address, and whether it is a started voter, as a machine sees it."""
    asked = "set -a; . /etc/khgen/node.env; . /etc/khgen/etcd.sh; ask member/list {}"
    done = run_in(members.machine(name, life), ["bash", "-c", asked])
    assert done.returncode == 0, done.stderr
    return {
        member["peerURLs"][0]: bool(member.get("clientURLs")) and not member.get("isLearner")
        for member in json.loads(done.stdout)["members"]
    }


def follow(members: Members, machine: str, line: str, place: str) -> None:
    """Run the command that a line names, as it stands, at the machine of its place."""
    found = re.search(rf"; run: {re.escape(place)} (etcdctl .* member remove [0-9a-f]+)$", line)
    assert found is not None, line
    done = run_in(members.machine(machine), ["bash", "-c", found[1]])
    assert done.returncode == 0, done.stderr
    assert "removed from cluster" in done.stdout


def test_an_etcd_host_that_is_replaced_under_another_name(tmp_path: Path) -> None:
    external = {"topology": "external"}
    with three_founders(tmp_path, {"etcd": 4, "cp": 1}, etcd=external) as members:
        members.stop("etcd2")
        members.remove("etcd2")
        said = members.refuses("etcd4", "etcd-host-join").strip()
        assert said.startswith("etcd2 was removed, but is still a member of etcd; run: on etcd1: ")
        assert not (members.machine("etcd4") / "etc/kubernetes/manifests/etcd.yaml").exists()
        assert set(voters(members, "etcd1").values()) == {True}, "nobody was added beside it"
        # A founder that boots again names it too, but does not wait for it.
        assert members.passes("etcd1", "etcd-member", "again").strip() == said
        follow(members, "etcd1", said, "on etcd1: crictl exec $(crictl ps -q --name etcd)")
        assert members.passes("etcd1", "etcd-member", "again") == ""
        members.passes("etcd4", "etcd-host-join")
        manifest = members.machine("etcd4") / "etc/kubernetes/manifests/etcd.yaml"
        pod = yaml.safe_load(manifest.read_text())
        members.start("etcd4", command=tuple(pod["spec"]["containers"][0]["command"][1:]))
        assert members.passes("etcd4", "etcd-member") == ""
        assert voters(members, "etcd4") == {
            f"https://127.77.0.{number}:2380": True for number in (1, 3, 4)
        }


def test_a_control_plane_that_is_replaced_under_another_name(tmp_path: Path) -> None:
    with three_founders(tmp_path, {"cp": 4}) as members:
        members.stop("cp2")
        members.remove("cp2")
        said = members.refuses("cp4", "join-control-plane").strip()
        assert said.startswith("cp2 was removed, but is still a member of etcd; run: kubectl ")
        # A founder that boots again names it too, but does not wait for it.
        assert members.passes("cp1", "etcd-member", "again").strip() == said
        follow(members, "cp1", said, "kubectl -n kube-system exec etcd-cp1 --")
        # The step goes on to kubeadm, which is no part of this test.
        done = run_in(members.machine("cp4"), ["bash", "-c", PREPARE_MEMBERSHIP])
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert voters(members, "cp1") == {
            f"https://127.77.0.{number}:2380": True for number in (1, 3)
        }


def test_a_machine_at_the_removed_ones_address_removes_that_member_itself(tmp_path: Path) -> None:
    with three_founders(tmp_path, {"cp": 4}) as members:
        members.stop("cp2")
        address = members.node("cp2").address
        nodes = tuple(
            node.model_copy(update={"address": address}) if node.name == "cp4" else node
            for node in members.spec.nodes
        )
        members.spec = members.spec.model_copy(update={"nodes": nodes})
        members.remove("cp2")
        members.passes("cp1", "etcd-member", "again")  # There is a leader, if need be another.
        done = run_in(members.machine("cp4"), ["bash", "-c", PREPARE_MEMBERSHIP])
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.startswith("removing this machine's stale member ")
        assert len(voters(members, "cp1")) == 2
