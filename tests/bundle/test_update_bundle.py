"""Updates of nodes that run: what is in them, how new they are, and that a node can check them."""

import hashlib
import json
import lzma
import subprocess
import tarfile
from datetime import timedelta
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest

from khgen.bundle.update_bundle import (
    BUNDLE_FILES,
    KIND_ARCHIVE,
    NODE_ARCHIVE,
    SIGNATURE,
    STATEMENT,
    HeldUpdate,
    UpdateBundle,
    files_of_archive,
    generation_of,
    statement,
)
from khgen.files.boot import ORDER
from khgen.files.living_node import FIRST_BOOT_ONLY, PUBLIC_KEY, ROLL
from khgen.plan.cluster_plan import NodeFile, NodePlan
from khgen.plan.steps import all_steps_of, steps_of
from khgen.render import ClusterUpdates, RenderedNode
from support.fixed import FIXED_NOW
from support.programs import require_program
from support.rendering import EXAMPLES, example_render

VALUES = {"node": "cp1", "archives": {KIND_ARCHIVE: "a", NODE_ARCHIVE: "b"}}
MOST_BYTES = 40 * 1024
"""A Secret takes 1 MiB, and kubectl apply a sixth of it."""


@cache
def updates(example: str) -> dict[str, tuple[RenderedNode, UpdateBundle]]:
    """Each node of an example with its update."""
    render = example_render(example)
    made = ClusterUpdates(render, {}, FIXED_NOW)
    rendered = {node.name: render.node(node) for node in render.plan.nodes}
    return {name: (node, made.bundle(node)) for name, node in rendered.items()}


def held(generation: int) -> HeldUpdate:
    sha256 = hashlib.sha256(statement(VALUES, generation)).hexdigest()
    return HeldUpdate(generation=generation, sha256=sha256)


def test_a_first_update_is_as_new_as_its_render() -> None:
    assert generation_of(VALUES, None, 100) == 100


def test_an_update_with_the_same_content_stays_as_new_as_it_was() -> None:
    assert generation_of(VALUES, held(100), 200) == 100
    assert generation_of(VALUES, held(100), 50) == 100


def test_a_changed_update_is_newer_whatever_the_clock_says() -> None:
    changed = {**VALUES, "machine": "other"}
    assert generation_of(changed, held(100), 200) == 200
    assert generation_of(changed, held(100), 100) == 101
    assert generation_of(changed, held(100), 50) == 101


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_update_has_every_file_of_the_node_once(example: str) -> None:
    for name, (node, update) in updates(example).items():
        shared, own = (files_of_archive(update.files[a]) for a in (KIND_ARCHIVE, NODE_ARCHIVE))
        assert {f.path for f in shared} & {f.path for f in own} == set(), name
        placed = {file.path: file for file in (*shared, *own)}
        assert len(placed) == len(shared) + len(own)
        assert placed == {file.path: file for file in node.living}
        for file in node.files:
            if file.path in FIRST_BOOT_ONLY:
                assert file.path not in placed
            else:
                assert placed[file.path] == file or file.path == ORDER


def test_the_one_founder_with_super_admin_rights_gets_them_at_its_first_boot_alone() -> None:
    held = [
        name
        for name, (node, _) in updates("offline-ca").items()
        if any(file.path in FIRST_BOOT_ONLY for file in node.files)
    ]
    assert len(held) == 1


@pytest.mark.parametrize("example", EXAMPLES)
def test_first_boots_have_no_step_of_running_nodes(example: str) -> None:
    render = example_render(example)
    for name, (node, _) in updates(example).items():
        kind = render.plan.by_name[name].kind
        assert order(node.files) == [step.file_name for step in steps_of(render.plan, kind)]
        assert order(node.living) == [step.file_name for step in all_steps_of(render.plan, kind)]
        assert set(order(node.files)) <= set(order(node.living))


def order(files: tuple[NodeFile, ...]) -> list[str]:
    (listed,) = (file.content for file in files if file.path == ORDER)
    return listed.splitlines()


@pytest.mark.parametrize("example", EXAMPLES)
def test_archives_are_plain_tars_of_root(example: str) -> None:
    for _, update in updates(example).values():
        for name in (KIND_ARCHIVE, NODE_ARCHIVE):
            with tarfile.open(fileobj=BytesIO(update.files[name]), mode="r:xz") as archive:
                entries = archive.getmembers()
            assert [entry.name for entry in entries] == sorted(entry.name for entry in entries)
            assert {(e.mtime, e.uid, e.gid, e.type) for e in entries} == {
                (0, 0, 0, tarfile.REGTYPE)
            }
            assert not any(entry.name.startswith("/") for entry in entries)


@pytest.mark.parametrize("example", EXAMPLES)
def test_updates_are_the_same_bytes_each_time_and_small(example: str) -> None:
    render = example_render(example)
    again = ClusterUpdates(render, {}, FIXED_NOW)
    for name, (node, update) in updates(example).items():
        assert again.bundle(node).files == update.files
        assert update.bytes == sum(len(update.files[file]) for file in BUNDLE_FILES)
        assert update.bytes <= MOST_BYTES, name


def test_only_the_generation_is_newer_where_nothing_else_is() -> None:
    render = example_render("single")
    (node, update), *_ = updates("single").values()
    before = {node.node.name: HeldUpdate(generation=update.generation, sha256=update.sha256)}
    later = FIXED_NOW + timedelta(days=1)
    assert ClusterUpdates(render, before, later).bundle(node).files == update.files
    anew = ClusterUpdates(render, {}, later).bundle(node)
    assert anew.generation == update.generation + 86400
    assert anew.files[STATEMENT] != update.files[STATEMENT]
    assert anew.files[NODE_ARCHIVE] == update.files[NODE_ARCHIVE]


@pytest.mark.parametrize("example", ["single", "external-etcd", "dedicated-lb"])
def test_a_statement_says_for_whom_it_is(example: str) -> None:
    for name, (node, update) in updates(example).items():
        said = json.loads(update.files[STATEMENT])
        (values,) = (f.content for f in node.files if f.path.name == "node.env")
        assert said == {
            "kind": "khgen/update",
            "version": 1,
            "cluster": example_render(example).plan.spec.metadata.name,
            "node": name,
            "role": node.node.role.value,
            "machine": values.partition("\nMACHINE=")[2].partition("\n")[0],
            "generation": int(FIXED_NOW.timestamp()),
            "kubernetes": str(example_render(example).plan.version),
            "archives": {
                archive: hashlib.sha256(update.files[archive]).hexdigest()
                for archive in (KIND_ARCHIVE, NODE_ARCHIVE)
            },
        }


@pytest.mark.tools
@pytest.mark.parametrize("example", EXAMPLES)
def test_a_node_verifies_it_with_its_own_openssl(tmp_path: Path, example: str) -> None:
    for node, update in updates(example).values():
        (key,) = (file.content for file in node.files if file.path == PUBLIC_KEY)
        (tmp_path / "update.pub").write_text(key)
        for file in (STATEMENT, SIGNATURE):
            (tmp_path / file).write_bytes(update.files[file])
        assert is_signed(tmp_path)
        text = update.files[STATEMENT]
        (tmp_path / STATEMENT).write_bytes(text.replace(b'"version": 1', b'"version": 2'))
        assert not is_signed(tmp_path)


@pytest.mark.tools
def test_another_clusters_key_verifies_nothing(tmp_path: Path) -> None:
    (_, update), *_ = updates("single").values()
    (other, _), *_ = updates("dual-stack").values()
    (key,) = (file.content for file in other.files if file.path == PUBLIC_KEY)
    (tmp_path / "update.pub").write_text(key)
    for file in (STATEMENT, SIGNATURE):
        (tmp_path / file).write_bytes(update.files[file])
    assert not is_signed(tmp_path)


def is_signed(folder: Path) -> bool:
    """Whether openssl verifies the signature, as khgen-update asks it to."""
    openssl = require_program("openssl")
    line = "pkeyutl -verify -pubin -inkey update.pub -rawin -in bundle.json -sigfile bundle.sig"
    done = subprocess.run([openssl, *line.split()], cwd=folder, capture_output=True, check=False)
    return done.returncode == 0


def test_what_is_no_archive_is_said_to_be_none() -> None:
    with pytest.raises(ValueError, match=r"."):
        files_of_archive(b"x")
    with pytest.raises(ValueError, match=r"."):
        files_of_archive(lzma.compress(b"x" * 2000))


def roll(node: RenderedNode) -> dict[str, object]:
    (text,) = (file.content for file in node.living if file.path == ROLL)
    said: dict[str, object] = json.loads(text)
    return said


def test_each_role_knows_whom_it_waits_for_and_no_more() -> None:
    found = {node.node.role.value: (node.node, roll(node)) for node, _ in nodes_of_all_roles()}
    slots = {role: said["slots"] for role, (_, said) in found.items()}
    assert slots == {
        "control-plane": "api",
        "worker": "api",
        "etcd": "etcd",
        "load-balancer": "none",
    }
    for role, (node, said) in found.items():
        assert (said["node"], said["role"], said["drainSeconds"]) == (node.name, role, 300)
        assert bool(said["apiServers"]) == bool(said["etcd"]) == (role in {"control-plane", "etcd"})


def test_control_planes_and_etcd_hosts_wait_for_all_members() -> None:
    plan = example_render("external-etcd").plan
    servers = {n.name: f"https://{n.address}:6443" for n in plan.control_planes}
    members = {n.name: f"https://{n.address}:2379" for n in plan.etcd_members}
    assert set(servers) & set(members) == set()
    for node, _ in updates("external-etcd").values():
        said = roll(node)
        if waits(node.node):
            assert (said["apiServers"], said["etcd"]) == (servers, members)


def waits(node: NodePlan) -> bool:
    return node.role.value in {"control-plane", "etcd"}


def nodes_of_all_roles() -> list[tuple[RenderedNode, UpdateBundle]]:
    return [*updates("external-etcd").values(), *updates("dedicated-lb").values()]
