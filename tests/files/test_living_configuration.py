"""The files that the steps of an update read."""

import json

import pytest
import yaml

from khgen.files.living_configuration import own_configuration, shared_configuration
from khgen.plan.cluster_plan import CONTROL_PLANE_KINDS, ETCD_KINDS, NodePlan, Plan
from khgen.spec.model import ClusterSpec
from khgen.spec.model.machine import Taint, TaintEffect
from support.rendering import render_of
from support.topologies import TOPOLOGIES, cluster, plan_with_joiner, topology


def living(plan: Plan, node: NodePlan) -> dict[str, str]:
    """Content by name in /etc/khgen."""
    files = (*shared_configuration(plan, node.kind), *own_configuration(plan, node))
    return {file.path.name: file.content for file in files}


def with_node_fields(spec: ClusterSpec, name: str, **fields: object) -> ClusterSpec:
    nodes = tuple(
        node.model_copy(update=fields) if node.name == name else node for node in spec.nodes
    )
    return spec.model_copy(update={"nodes": nodes})


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_each_kind_has_what_its_steps_read(name: str) -> None:
    plan = plan_with_joiner(topology(name))
    for node in plan.nodes:
        names = set(living(plan, node))
        if node.kind in CONTROL_PLANE_KINDS:
            assert names == {
                "cluster.yaml",
                "kubelet.yaml",
                "kubelet-flags",
                "nodes.json",
                "programs",
            }
        elif node.joins_kubernetes:
            assert names == {"kubelet.yaml", "kubelet-flags", "programs"}
        else:
            assert names == ({"programs"} if node.kind in ETCD_KINDS else set())


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_the_cluster_is_the_founders_without_what_only_a_founding_needs(name: str) -> None:
    render = render_of(topology(name))
    plan = render.plan
    for node in plan.control_planes:
        init, *documents = yaml.safe_load_all(living(plan, node)["cluster.yaml"])
        assert init["localAPIEndpoint"]["advertiseAddress"] == str(node.address)
        assert init["nodeRegistration"]["name"] == node.name
        assert "bootstrapTokens" not in init
        assert "patches" not in init
        (founders,) = (
            file.content
            for file in render.node(plan.control_planes[0]).files
            if file.path.name == "kubeadm.yaml"
        )
        assert documents == list(yaml.safe_load_all(founders))[1:]
        assert "initial-cluster" not in living(plan, node)["cluster.yaml"]


def test_flags_are_those_of_the_registration() -> None:
    spec = with_node_fields(
        cluster({"cp": 1, "w": 1}), "w1", labels={"zone": "a"}, kubelet_extra_args={"v": "2"}
    )
    plan = plan_with_joiner(spec)
    assert living(plan, plan.by_name["w1"])["kubelet-flags"] == (
        "--node-ip=10.2.0.2\n--node-labels=zone=a\n--v=2\n"
    )


def test_every_node_of_kubernetes_is_known_with_its_labels_and_taints() -> None:
    taint = Taint(key="gpu", value="yes", effect=TaintEffect.NO_SCHEDULE)
    spec = cluster({"cp": 1, "w": 2, "etcd": 1}, etcd={"topology": "external"})
    plan = plan_with_joiner(with_node_fields(spec, "w2", labels={"zone": "b"}, taints=(taint,)))
    wanted = json.loads(living(plan, plan.by_name["cp1"])["nodes.json"])
    assert wanted == {
        "cp1": {"controlPlane": True, "labels": {}, "taints": None},
        "w1": {"controlPlane": False, "labels": {}, "taints": None},
        "w2": {
            "controlPlane": False,
            "labels": {"zone": "b"},
            "taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}],
        },
    }


def test_versions_are_each_programs_own() -> None:
    spec = cluster(
        {"cp": 1, "w": 1},
        kubernetes={"version": "1.30.2"},
        install={"packageVersions": {"kubelet": "1.29.6"}},
    )
    plan = plan_with_joiner(spec)
    assert living(plan, plan.by_name["w1"])["programs"] == (
        "kubeadm v1.30.2\nkubelet v1.29.6\nkubectl v1.30.2\n"
    )


def test_an_upgrade_is_configured_where_kubeadm_can_read_it() -> None:
    old, new = (
        plan_with_joiner(cluster({"cp": 1}, kubernetes={"version": version}))
        for version in ("1.30.2", "1.31.14")
    )
    assert "upgrade.yaml" not in living(old, old.by_name["cp1"])
    upgrade = yaml.safe_load(living(new, new.by_name["cp1"])["upgrade.yaml"])
    assert upgrade["kind"] == "UpgradeConfiguration"
    assert upgrade["timeouts"] == {"controlPlaneComponentHealthCheck": "10m0s"}
    for command in ("apply", "node"):
        assert upgrade[command]["certificateRenewal"] is False
        assert upgrade[command]["etcdUpgrade"] is False


def test_a_node_more_changes_only_the_list_of_nodes() -> None:
    few, more = (plan_with_joiner(cluster({"cp": 3, "w": number})) for number in (1, 2))
    before, after = (living(plan, plan.by_name["cp1"]) for plan in (few, more))
    assert {name for name in before if before[name] != after[name]} == {"nodes.json"}
    assert living(few, few.by_name["w1"]) == living(more, more.by_name["w1"])
