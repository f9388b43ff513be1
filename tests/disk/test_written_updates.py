"""Updates in an output folder: which stay as new as they were, and which are written anew."""

import hashlib
import json
from base64 import b64decode
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from khgen.bundle.update_bundle import BUNDLE_FILES
from khgen.bundle.update_objects import sealed_files
from khgen.disk.manifest import MANIFEST, UPDATE_YAML
from khgen.disk.owned_folder import OutputRefusedError, listing_text
from khgen.disk.publish import publish
from khgen.disk.rendered_output import load_manifest, load_nodes
from khgen.files.node_files import update_key
from khgen.plan.cluster_plan import NodePlan
from khgen.render import ClusterRender
from support.command import SMALL_SPEC
from support.fixed import FIXED_NOW
from support.rendered_out import manifest_of, tree
from support.rendering import render_of, spec_of

FIRST = int(FIXED_NOW.timestamp())
LATER = FIXED_NOW + timedelta(hours=1)
SECOND = FIRST + 3600
LABELLED = SMALL_SPEC.replace(
    "address: 10.9.0.21", "address: 10.9.0.21, kubeletExtraArgs: {v: '4'}"
)
"""Only its worker w1 has other files."""


def write(folder: Path, spec: str, now: datetime, *names: str) -> Path:
    """Render that spec into the folder, or only some of its nodes."""
    render = render_of(spec_of(spec))
    publish(render, folder / "out", some(render, names), lambda _: None, now=now)
    return folder / "out"


def some(render: ClusterRender, names: tuple[str, ...]) -> tuple[NodePlan, ...]:
    return tuple(node for node in render.plan.nodes if not names or node.name in names)


def generations(out: Path) -> dict[str, int]:
    nodes = manifest_of(out)["nodes"]
    found = {name: node["update"]["generation"] for name, node in nodes.items()}
    said = {name: stated(out, name)["generation"] for name in nodes}
    objects = yaml.safe_load_all((out / UPDATE_YAML).read_text())
    roll = next(o for o in objects if o["kind"] == "ConfigMap")
    wanted = json.loads(roll["data"]["wanted"])
    assert found == said == {name: row["generation"] for name, row in wanted.items()}
    return found


def stated(out: Path, node: str) -> dict[str, Any]:
    text = (out / "nodes" / node / "update/bundle.json").read_text()
    said: dict[str, Any] = json.loads(text)
    return said


def test_an_update_stays_as_new_as_it_was_until_its_content_changes(tmp_path: Path) -> None:
    out = write(tmp_path, SMALL_SPEC, FIXED_NOW)
    assert set(generations(out).values()) == {FIRST}
    write(tmp_path, LABELLED, LATER)
    assert generations(out) == {"cp1": FIRST, "cp2": FIRST, "cp3": FIRST, "w1": SECOND}
    write(tmp_path, SMALL_SPEC, FIXED_NOW)
    assert generations(out)["w1"] == SECOND + 1, "the clock was set back"


def test_a_render_of_one_node_keeps_the_updates_of_the_others(tmp_path: Path) -> None:
    out = write(tmp_path, SMALL_SPEC, FIXED_NOW)
    before = tree(out)
    write(tmp_path, LABELLED, LATER, "w1")
    assert generations(out) == {"cp1": FIRST, "cp2": FIRST, "cp3": FIRST, "w1": SECOND}
    after, render = tree(out), render_of(spec_of(SMALL_SPEC))
    for name in ("cp1", "cp2", "cp3"):
        paths = {file: f"nodes/{name}/update/{file}" for file in BUNDLE_FILES}
        assert [after[path] for path in paths.values()] == [before[p] for p in paths.values()]
        files = {file: after[path] for file, path in paths.items()}
        node = render.plan.by_name[name]
        given = {key: b64decode(text) for key, text in secret(out, name)["data"].items()}
        assert given == sealed_files(files, update_key(render.secrets, node))


def secret(out: Path, node: str) -> dict[str, Any]:
    objects = yaml.safe_load_all((out / UPDATE_YAML).read_text())
    return next(
        o for o in objects if (o["kind"], o["metadata"]["name"]) == ("Secret", f"update-{node}")
    )


def test_nothing_is_written_where_only_time_has_passed(tmp_path: Path) -> None:
    out = write(tmp_path, SMALL_SPEC, FIXED_NOW)
    before = out.stat().st_ino, tree(out)
    write(tmp_path, SMALL_SPEC, LATER)
    assert (out.stat().st_ino, tree(out)) == before


@pytest.mark.parametrize(
    "name", [UPDATE_YAML, *(f"nodes/w1/update/{f}" for f in ("bundle.sig", "kind.tar.xz"))]
)
@pytest.mark.parametrize("nodes", [(), ("w1",)])
def test_what_somebody_edited_is_written_anew(
    tmp_path: Path, name: str, nodes: tuple[str, ...]
) -> None:
    out = write(tmp_path, SMALL_SPEC, FIXED_NOW)
    before = tree(out)
    (out / name).unlink()
    (out / name).write_bytes(b"edited")
    (out / name).chmod(0o600)
    write(tmp_path, SMALL_SPEC, LATER, *nodes)
    assert tree(out) == before


def test_nodes_of_a_kind_share_one_archive(tmp_path: Path) -> None:
    out = write(tmp_path, SMALL_SPEC, FIXED_NOW)
    inodes = {(out / f"nodes/cp{n}/update/kind.tar.xz").stat().st_ino for n in (1, 2, 3)}
    assert len(inodes) == 1


def test_updates_are_for_the_operator_alone(tmp_path: Path) -> None:
    out = write(tmp_path, SMALL_SPEC, FIXED_NOW)
    files = [out / UPDATE_YAML, *out.glob("nodes/*/update/*")]
    assert len(files) == 1 + 4 * 4
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in out.glob("nodes/*/update")} == {0o700}


def test_an_edited_update_is_found_when_it_is_read(tmp_path: Path) -> None:
    out = write(tmp_path, SMALL_SPEC, FIXED_NOW)
    manifest = load_manifest(out).manifest
    assert manifest is not None
    for file in ("bundle.json", "bundle.sig", "kind.tar.xz", "node.tar.xz"):
        path = out / "nodes/w1/update" / file
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content + b"x")
        _, problems = load_nodes(out, manifest, ("w1",))
        assert [p.place.file for p in problems] == [str(path)]
        path.write_bytes(content)
    assert not load_nodes(out, manifest, ("w1",))[1]


def test_a_foreign_file_beside_an_update_stops_the_render(tmp_path: Path) -> None:
    out = write(tmp_path, SMALL_SPEC, FIXED_NOW)
    (out / "nodes/w1/update/mine").write_text("")
    with pytest.raises(OutputRefusedError, match="nodes/w1/update/mine"):
        write(tmp_path, LABELLED, LATER)


def older(out: Path) -> None:
    """Make it the output of a khgen that wrote no updates."""
    manifest = manifest_of(out)
    for node in manifest["nodes"].values():
        del node["update"]
    for key in ("updateSha256", "sha256", "khgen"):
        del manifest[key]
    (out / UPDATE_YAML).unlink()
    for path in sorted(out.glob("nodes/*/update/*")):
        path.unlink()
    for path in out.glob("nodes/*/update"):
        path.rmdir()
    (out / MANIFEST).write_text(listing_text(manifest.pop("kind"), manifest))


def test_the_output_of_an_older_khgen_gets_updates(tmp_path: Path) -> None:
    out = write(tmp_path, SMALL_SPEC, FIXED_NOW)
    before = tree(out)
    older(out)
    manifest = load_manifest(out).manifest
    assert manifest is not None
    cluster, problems = load_nodes(out, manifest, ("w1",))
    assert (cluster.nodes[0].update, list(problems)) == ({}, [])
    write(tmp_path, SMALL_SPEC, FIXED_NOW)
    assert tree(out) == before


def test_one_node_rendered_into_an_older_output_is_alone_in_update_yaml(tmp_path: Path) -> None:
    out = write(tmp_path, SMALL_SPEC, FIXED_NOW)
    older(out)
    write(tmp_path, SMALL_SPEC, LATER, "w1")
    names = {node for node, entry in manifest_of(out)["nodes"].items() if "update" in entry}
    assert names == {"w1"}
    assert secret(out, "w1")["metadata"]["labels"] == {"khgen/generation": str(SECOND)}
    assert b"update-cp1" not in (out / UPDATE_YAML).read_bytes()


def test_where_nodes_do_not_pull_the_api_gets_no_keys(tmp_path: Path) -> None:
    out = write(tmp_path, f"{SMALL_SPEC}updates: {{pull: false}}\n", FIXED_NOW)
    kinds = {o["kind"] for o in yaml.safe_load_all((out / UPDATE_YAML).read_text())}
    assert kinds == {"Namespace", "ConfigMap", "Role", "RoleBinding"}
    assert set(generations(out).values()) == {FIRST}
    units = json.dumps(manifest_of(out)["fileLists"])
    assert "khgen-update.timer" not in units
    assert "/etc/khgen/update.key" not in units
    assert "/usr/local/sbin/khgen-update" in units


def test_the_manifest_has_the_digest_of_update_yaml(tmp_path: Path) -> None:
    out = write(tmp_path, SMALL_SPEC, FIXED_NOW)
    digest = hashlib.sha256((out / UPDATE_YAML).read_bytes()).hexdigest()
    assert manifest_of(out)["updateSha256"] == digest
