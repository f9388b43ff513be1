"""update.yaml: each node may read its own update, and change nothing but the order of updates."""

import json
from base64 import b64decode
from collections.abc import Iterable
from functools import cache
from typing import Any

import pytest
import yaml

from khgen.bundle.update_objects import NodeUpdate, policy, update_yaml
from khgen.render import ClusterUpdates
from khgen.yaml_text import dump_yaml
from support.fixed import FIXED_NOW
from support.rendering import EXAMPLES, example_render, plan_of, spec_of
from support.spec_texts import changed

Objects = list[dict[str, Any]]
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
NODES_GROUP = "system:nodes"


@cache
def objects(example: str) -> Objects:
    """The objects of an example's update.yaml."""
    render = example_render(example)
    made = ClusterUpdates(render, {}, FIXED_NOW)
    updates = []
    for node in render.plan.nodes:
        if node.joins_kubernetes:
            bundle = made.bundle(render.node(node))
            updates.append(NodeUpdate(node=node, generation=bundle.generation, files=bundle.files))
    wanted = {update.node.name: update.generation for update in updates}
    text = "".join(update_yaml(render.plan, wanted, updates))
    return list(yaml.safe_load_all(text))


def named(found: Objects, kind: str, name: str) -> dict[str, Any]:
    (one,) = (o for o in found if (o["kind"], o["metadata"]["name"]) == (kind, name))
    return one


def may(found: Objects, node: str, verb: str, resource: str, name: str | None) -> bool:
    """Whether RBAC lets that node's kubelet do that in the namespace khgen (RBAC authorizer's rules)."""
    bindings = [o for o in found if o["kind"] == "RoleBinding" and _binds(o["subjects"], node)]
    for binding in bindings:
        for rule in named(found, binding["roleRef"]["kind"], binding["roleRef"]["name"])["rules"]:
            names = rule.get("resourceNames")
            # A request without a name (list, create) never matches a rule with names.
            if (
                verb in rule["verbs"]
                and resource in rule["resources"]
                and rule["apiGroups"] == [""]
                and (names is None or name in names)
            ):
                return True
    return False


def _binds(subjects: Iterable[dict[str, str]], node: str) -> bool:
    return any(
        (s["kind"], s["name"]) in {("User", f"system:node:{node}"), ("Group", NODES_GROUP)}
        and s["apiGroup"] == "rbac.authorization.k8s.io"
        for s in subjects
    )


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_node_reads_its_own_secret_and_no_other(example: str) -> None:
    found = objects(example)
    names = [node.name for node in example_render(example).plan.nodes if node.joins_kubernetes]
    secrets = {o["metadata"]["name"] for o in found if o["kind"] == "Secret"}
    assert secrets == {f"update-{name}" for name in names}
    for node in names:
        allowed = {
            (verb, resource, name)
            for verb in VERBS
            for resource, some in (("secrets", secrets), ("configmaps", {"roll", "other"}))
            for name in (*some, None)
            if may(found, node, verb, resource, name)
        }
        assert allowed == {
            ("get", "secrets", f"update-{node}"),
            *((verb, "configmaps", "roll") for verb in ("get", "update", "patch")),
        }


@pytest.mark.parametrize("example", EXAMPLES)
def test_roles_are_of_the_namespace_alone(example: str) -> None:
    kinds = {o["kind"] for o in objects(example)}
    assert kinds == {"Namespace", "ConfigMap", "Secret", "Role", "RoleBinding"}
    for one in objects(example)[1:]:
        assert one["metadata"]["namespace"] == "khgen"


def test_the_order_comes_before_what_it_is_about() -> None:
    kinds = [o["kind"] for o in objects("single")]
    assert kinds[:2] == ["Namespace", "ConfigMap"]
    assert kinds.index("Secret") > kinds.index("RoleBinding")


def test_hosts_without_the_api_are_not_in_it() -> None:
    plan = example_render("external-etcd").plan
    wanted = json.loads(named(objects("external-etcd"), "ConfigMap", "roll")["data"]["wanted"])
    assert set(wanted) == {n.name for n in (*plan.control_planes, *plan.workers)}
    generation = int(FIXED_NOW.timestamp())
    for name, row in wanted.items():
        assert row == {"role": plan.by_name[name].role.value, "generation": generation}


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_secret_has_the_four_files(example: str) -> None:
    render = example_render(example)
    made = ClusterUpdates(render, {}, FIXED_NOW)
    for node in (*render.plan.control_planes, *render.plan.workers):
        secret = named(objects(example), "Secret", f"update-{node.name}")
        bundle = made.bundle(render.node(node))
        assert {k: b64decode(v) for k, v in secret["data"].items()} == bundle.files
        assert secret["metadata"]["labels"] == {"khgen/generation": str(bundle.generation)}


def test_nodes_write_the_state_and_khgen_never() -> None:
    assert set(named(objects("single"), "ConfigMap", "roll")["data"]) == {"policy", "wanted"}


def test_the_policy_is_that_of_the_spec() -> None:
    updates = {
        "paused": True,
        "maxUnavailable": 2,
        "drainTimeout": "90s",
        "window": {"days": ["Sat", "Sun"], "start": "22:00", "length": "4h"},
    }
    spec = spec_of(dump_yaml(changed({"updates": updates})))
    assert policy(plan_of(spec)) == {
        "paused": True,
        "maxUnavailable": 2,
        "drainSeconds": 90,
        "window": {"days": ["Sat", "Sun"], "start": "22:00", "minutes": 240},
    }
