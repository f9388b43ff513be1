"""Removed nodes in the secrets file: kept, read back, and only ever added to."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml

from khgen.disk import secrets_file
from khgen.pki.secrets import Secrets, incarnation, last_removal, with_removed, with_replaced
from khgen.pki.secrets_decode import decode_secrets
from khgen.pki.secrets_encode import encode_secrets
from khgen.plan.cluster_plan import NodeKind, build_plan
from khgen.render import ClusterRender
from khgen.spec.model import ClusterSpec, NodeRole
from support.fixed import FIXED_NOW, fixed_secrets
from support.topologies import cluster, topology

LATER = FIXED_NOW + timedelta(days=40)
SPEC = topology("stacked")
FRESH = fixed_secrets(SPEC)
REMOVED = with_removed(FRESH, "cp2", NodeRole.CONTROL_PLANE, ip_address("10.1.0.3"), LATER)
Entry = dict[str, Any]


def decoded(text: str) -> Secrets:
    secrets, problems = decode_secrets(text, "s.yaml", cluster="tested", now=LATER)
    assert secrets is not None, problems
    return secrets


def test_files_from_before_are_read_and_written_as_they_were() -> None:
    text = encode_secrets(FRESH)
    assert "removed" not in text
    assert decoded(text).removed == ()


def test_a_removal_is_kept() -> None:
    text = encode_secrets(REMOVED)
    assert yaml.safe_load(text)["removed"] == [
        {
            "name": "cp2",
            "role": "control-plane",
            "address": "10.1.0.3",
            "removedAt": "2026-02-10T00:00:00Z",
            "machines": 1,
        }
    ]
    read = decoded(text)
    assert read.removed == REMOVED.removed
    assert encode_secrets(read) == text


DAMAGES: tuple[tuple[Callable[[Entry], object], str], ...] = (
    (lambda e: e.pop("address"), "missing part 'removed[0].address'"),
    (lambda e: e.update(address="10.1.0"), "removed[0].address: an IP address is expected"),
    (lambda e: e.update(name="a b"), "removed[0].name: a node's name is expected"),
    (lambda e: e.update(role="boss"), "removed[0].role: one of control-plane, worker, etcd,"),
    (lambda e: e.update(removedAt="today"), "removed[0].removedAt: a time like 2026-01-31T"),
    (lambda e: e.update(machines="-1"), "removed[0].machines: a number is expected"),
    (lambda e: e.update(colour="red"), "unknown key; known are: name, role, address,"),
)


@pytest.mark.parametrize(("damage", "message"), DAMAGES, ids=range(len(DAMAGES)))
def test_a_damaged_entry_is_named(damage: Callable[[Entry], object], message: str) -> None:
    document = yaml.safe_load(encode_secrets(REMOVED))
    damage(document["removed"][0])
    secrets, problems = decode_secrets(yaml.safe_dump(document), "s.yaml")
    assert secrets is None
    (problem,) = problems
    assert problem.message.startswith(message)


@pytest.mark.parametrize("value", [7, "text", {"name": "cp2"}, ["cp2"], [[]], None])
def test_nodes_that_are_no_list_are_a_problem(value: object) -> None:
    document = {**yaml.safe_load(encode_secrets(REMOVED)), "removed": value}
    secrets, problems = decode_secrets(yaml.safe_dump(document), "s.yaml")
    assert secrets is None
    assert problems.errors


def test_removals_only_grow(tmp_path: Path) -> None:
    path = tmp_path / "tested.secrets.yaml"
    assert secrets_file.create(path, REMOVED)
    with pytest.raises(ValueError, match="only ever added to"):
        secrets_file.extend(path, lambda old: replace(old, removed=()))
    secrets_file.extend(path, lambda old: with_replaced(old, "cp2", LATER))
    address = ip_address("10.1.0.9")
    after = secrets_file.extend(
        path, lambda old: with_removed(old, "cp2", NodeRole.CONTROL_PLANE, address, LATER)
    )
    assert [(node.name, str(node.address), node.machines) for node in after.removed] == [
        ("cp2", "10.1.0.3", 1),
        ("cp2", "10.1.0.9", 3),
    ]


def test_a_cluster_that_is_refounded_has_lost_nobody(tmp_path: Path) -> None:
    path = tmp_path / "tested.secrets.yaml"
    assert secrets_file.create(path, REMOVED)
    after = secrets_file.refound(path, SPEC)
    assert (after.removed, after.replaced) == ((), ())


def test_a_removal_holds_until_the_name_is_given_to_a_new_machine() -> None:
    assert last_removal(FRESH, "cp2") is None
    assert last_removal(REMOVED, "cp2") == REMOVED.removed[0]
    assert last_removal(REMOVED, "cp1") is None
    assert last_removal(with_replaced(REMOVED, "cp2", LATER), "cp2") is None
    assert len({incarnation(s, "cp2") for s in (FRESH, REMOVED)}) == 2


def render(spec: ClusterSpec, secrets: Secrets) -> ClusterRender:
    plan = build_plan(spec, secrets.founders, secrets.replaced, secrets.removed)
    return ClusterRender(plan, secrets, {})


def without(spec: ClusterSpec, *names: str) -> ClusterSpec:
    nodes = tuple(node for node in spec.nodes if node.name not in names)
    return spec.model_copy(update={"nodes": nodes})


def contents(cluster_render: ClusterRender, name: str) -> dict[str, str]:
    node = cluster_render.node(cluster_render.plan.by_name[name])
    return {str(file.path): file.content for file in node.files}


def environment(cluster_render: ClusterRender, name: str) -> list[str]:
    lines = contents(cluster_render, name)["/etc/khgen/node.env"].splitlines()
    return [line for line in lines if line.startswith("REMOVED_")]


def test_a_removed_node_that_is_listed_joins_as_a_new_machine() -> None:
    before, after = render(SPEC, FRESH), render(SPEC, REMOVED)
    cp2 = after.node(after.plan.by_name["cp2"])
    assert cp2.node.kind is NodeKind.CONTROL_PLANE_JOINER
    assert cp2.instance_id != before.node(before.plan.by_name["cp2"]).instance_id
    assert cp2.credentials != before.node(before.plan.by_name["cp2"]).credentials
    # It is at the removed one's place: nobody must take its member or its Node for a stale one.
    for name in ("cp1", "cp2", "cp3"):
        assert environment(after, name) == []
    assert contents(after, "cp1") == contents(before, "cp1")


def test_founders_keep_the_list_that_they_founded_with() -> None:
    before, after = render(SPEC, FRESH), render(without(SPEC, "cp2"), REMOVED)
    patch = "/etc/khgen/patches/etcd+json.yaml"
    assert "cp2=https://10.1.0.3:2380" in contents(after, "cp1")[patch]
    assert contents(after, "cp1")[patch] == contents(before, "cp1")[patch]
    # Also when the name has come back at another address.
    nodes = tuple(
        node.model_copy(update={"address": ip_address("10.1.0.77")}) if node.name == "cp2" else node
        for node in SPEC.nodes
    )
    moved = render(SPEC.model_copy(update={"nodes": nodes}), REMOVED)
    assert contents(moved, "cp1")[patch] == contents(before, "cp1")[patch]
    assert environment(moved, "cp3") == ["REMOVED_MEMBERS=cp2=https://10.1.0.3:2380"]


def test_control_planes_know_stale_members_and_nodes() -> None:
    after = render(without(cluster({"cp": 4, "w": 2}), "cp2"), REMOVED)
    for name in ("cp1", "cp3", "cp4"):
        assert environment(after, name) == [
            "REMOVED_NODES=cp2",
            "REMOVED_MEMBERS=cp2=https://10.1.0.3:2380",
        ]
    assert environment(after, "w1") == []


def test_a_new_name_at_the_removed_ones_address_leaves_only_the_node_stale() -> None:
    nodes = tuple(
        node.model_copy(update={"name": "cp9"}) if node.name == "cp2" else node
        for node in SPEC.nodes
    )
    after = render(SPEC.model_copy(update={"nodes": nodes}), REMOVED)
    assert environment(after, "cp9") == ["REMOVED_NODES=cp2"]


def test_with_external_etcd_each_kind_knows_its_own() -> None:
    spec = cluster({"etcd": 4, "cp": 3}, etcd={"topology": "external"})
    secrets = fixed_secrets(spec)
    for name, role in (("etcd2", NodeRole.ETCD), ("cp2", NodeRole.CONTROL_PLANE)):
        address = next(node.address for node in spec.nodes if node.name == name)
        secrets = with_removed(secrets, name, role, address, LATER)
    after = render(without(spec, "etcd2", "cp2"), secrets)
    assert environment(after, "etcd1") == ["REMOVED_MEMBERS=etcd2=https://10.3.0.3:2380"]
    assert environment(after, "cp1") == ["REMOVED_NODES=cp2"]


def test_a_removed_worker_changes_nobody_else() -> None:
    address = ip_address("10.2.0.3")
    secrets = with_removed(FRESH, "w2", NodeRole.WORKER, address, LATER)
    before, after = render(without(SPEC, "w2"), FRESH), render(without(SPEC, "w2"), secrets)
    for name in ("cp1", "w1"):
        assert environment(after, name) == []
        assert contents(after, name) == contents(before, name)
