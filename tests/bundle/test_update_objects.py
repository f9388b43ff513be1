"""update.yaml: each node may read its own update, and change nothing but the order of updates."""

import json
import re
import subprocess
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from khgen.bundle.update_bundle import (
    BUNDLE_FILES,
    KIND_ARCHIVE,
    NODE_ARCHIVE,
    SIGNATURE,
    STATEMENT,
)
from khgen.bundle.update_objects import NodeUpdate, policy, sealed_files, update_yaml
from khgen.files.living_node import UPDATE_KEY
from khgen.files.node_files import update_key
from khgen.pki.secrets import EVERYONE
from khgen.plan.cluster_plan import NodePlan
from khgen.render import ClusterRender, ClusterUpdates
from khgen.resources import verbatim
from khgen.yaml_text import dump_yaml
from support.fixed import FIXED_NOW
from support.programs import require_program
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
            update = NodeUpdate(
                node=node,
                generation=bundle.generation,
                files=bundle.files,
                key=update_key(render.secrets, node),
            )
            updates.append(update)
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


@pytest.mark.tools
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_machine_alone_gets_the_four_files_out_of_its_secret(
    example: str, tmp_path: Path
) -> None:
    render = example_render(example)
    made = ClusterUpdates(render, {}, FIXED_NOW)
    nodes = [node for node in render.plan.nodes if node.joins_kubernetes]
    for number, node in enumerate(nodes):
        secret = named(objects(example), "Secret", f"update-{node.name}")
        bundle = made.bundle(render.node(node))
        assert secret["metadata"]["labels"] == {"khgen/generation": str(bundle.generation)}
        data = {name: b64decode(text) for name, text in secret["data"].items()}
        assert decrypted(data, key_file(render, node, tmp_path)) == bundle.files
        other = key_file(render, nodes[number - 1], tmp_path)
        stolen = decrypted(data, other).items() & bundle.files.items()
        assert {name for name, _ in stolen} == {STATEMENT, SIGNATURE}


def key_file(render: ClusterRender, node: NodePlan, folder: Path) -> Path:
    """The key that the node has from its first boot."""
    (key,) = (file for file in render.node(node).files if file.path == UPDATE_KEY)
    assert key.mode == 0o600
    path = folder / f"{node.name}.key"
    path.write_text(key.content)
    return path


def decrypted(data: dict[str, bytes], key: Path) -> dict[str, bytes]:
    """The files of a Secret, as openssl decrypts them for khgen-update."""
    (command,) = re.findall(r'^OPEN = "(.*)"$', verbatim("khgen-update"), re.MULTILINE)
    program, *words = command.replace(str(UPDATE_KEY), str(key)).split()
    files = {}
    for name, content in data.items():
        plain = name.removesuffix(".enc")
        files[plain] = content
        if plain != name:
            openssl = [require_program(program), *words]
            done = subprocess.run(openssl, input=content, capture_output=True, check=True)
            files[plain] = done.stdout
    return files


def test_an_archive_is_encrypted_with_a_key_stream_of_its_own() -> None:
    """Equal streams would give the difference of two plain archives to whoever has both."""
    contents = [
        {**dict.fromkeys(BUNDLE_FILES, b""), KIND_ARCHIVE: kind, NODE_ARCHIVE: bytes(64)}
        for kind in (bytes(64), bytes(63) + b"1")
    ]
    made = [sealed_files(content, key) for key in ("a" * 43, "b" * 43) for content in contents]
    archives = {files[f"{name}.enc"] for files in made for name in (KIND_ARCHIVE, NODE_ARCHIVE)}
    # Of each key: one archive of nodes, and two of kinds.
    assert len({archive[16:] for archive in archives}) == 2 * 3
    assert sealed_files(contents[0], "a" * 43) == made[0], "a render is reproducible"


def test_another_machine_of_a_name_has_another_key() -> None:
    render = example_render("single")
    (node, *_) = render.plan.nodes
    key = update_key(render.secrets, node)
    replaced = replace(render.secrets, replaced=(node.name,))
    renewed = replace(render.secrets, generations={node.name: 1, EVERYONE: 1})
    assert update_key(replaced, node) != key
    assert update_key(renewed, node) == key


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
