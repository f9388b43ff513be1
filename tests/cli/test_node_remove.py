"""khgen node remove, as a process, and the renders after it."""

import json
import re
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from support.command import SMALL_SPEC, khgen
from support.rendered_out import node_files

CP2 = "  - {name: cp2, role: control-plane, address: 10.9.0.12}\n"
CP4 = "  - {name: cp4, role: control-plane, address: 10.9.0.14}\n"
SECRETS = "small.secrets.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, SMALL_SPEC)
    assert khgen("render", "cluster.yaml", cwd=tmp_path).returncode == 0
    return tmp_path


def write(folder: Path, spec: str) -> None:
    (folder / "cluster.yaml").write_text(spec)


def remove_node(folder: Path, name: str, *options: str) -> CompletedProcess[str]:
    return khgen("node", "remove", "cluster.yaml", name, *options, cwd=folder)


def render(folder: Path, *options: str) -> str:
    done = khgen("render", "cluster.yaml", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stderr


def kinds(folder: Path) -> dict[str, str]:
    nodes = json.loads((folder / "out/manifest.json").read_text())["nodes"]
    return {name: entry["kind"] for name, entry in nodes.items()}


def removals(folder: Path, name: str) -> list[str]:
    text = node_files(folder / "out", name)["/etc/khgen/node.env"].decode()
    return re.findall("^REMOVED_.*$", text, re.MULTILINE)


def test_a_control_plane_is_replaced_under_another_name(folder: Path) -> None:
    done = remove_node(folder, "cp2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{SECRETS}: cp2 (control-plane, 10.9.0.12) is removed",
        "next: take cp2 out of cluster.yaml, then render it",
        "its Node: kubectl delete node cp2",
        "its etcd member: the next one that joins waits until it is gone, and names the command",
    ]
    write(folder, SMALL_SPEC.replace(CP2, CP4))
    assert render(folder) == ""
    assert kinds(folder) == {
        "cp1": "founder",
        "cp3": "founder",
        "cp4": "control-plane-joiner",
        "w1": "worker",
    }
    stale = ["REMOVED_NODES=cp2", "REMOVED_MEMBERS=cp2=https://10.9.0.12:2380"]
    assert [removals(folder, name) for name in ("cp1", "cp3", "cp4")] == [stale] * 3
    assert removals(folder, "w1") == []


def test_a_removed_node_that_is_still_listed_is_warned_of_until_it_is_taken_out(
    folder: Path,
) -> None:
    assert remove_node(folder, "cp2").returncode == 0
    said = render(folder)
    assert re.search(r"^cluster.yaml:11:12: warning: 'cp2' was removed on 20", said, re.MULTILINE)
    assert "remove it from the spec" in said
    assert kinds(folder)["cp2"] == "control-plane-joiner"
    assert removals(folder, "cp1") == []
    assert khgen("render", "cluster.yaml", "--strict", cwd=folder).returncode == 1
    # Or a new machine is given the name: then that is meant.
    assert khgen("node", "replace", "cluster.yaml", "cp2", cwd=folder).returncode == 0
    assert render(folder, "--strict") == ""


def test_removing_twice_changes_nothing(folder: Path) -> None:
    assert remove_node(folder, "cp2").returncode == 0
    before = (folder / SECRETS).read_bytes()
    done = remove_node(folder, "cp2")
    assert done.returncode == 0
    assert re.fullmatch(rf"{SECRETS}: cp2 was removed on 20\S+ already\n", done.stdout)
    assert (folder / SECRETS).read_bytes() == before


def test_a_node_that_the_spec_no_longer_lists_is_removed_by_role_and_address(folder: Path) -> None:
    write(folder, SMALL_SPEC.replace(CP2, CP4))
    said = render(folder)
    assert re.search(r"^cluster.yaml:9:1: warning: 'cp2' founded the cluster", said, re.MULTILINE)
    found = re.search("khgen node remove SPEC cp2 (--role control-plane --address )ADDRESS", said)
    assert found is not None, said
    before = (folder / SECRETS).read_bytes()
    done = remove_node(folder, "cp2")
    assert done.returncode == 2
    assert "no node 'cp2' in the spec" in done.stderr
    assert "add --role and --address" in done.stderr
    assert (folder / SECRETS).read_bytes() == before
    done = remove_node(folder, "cp2", *found[1].split(), "10.9.0.12")
    assert done.returncode == 0, done.stderr
    assert "next: take" not in done.stdout
    assert render(folder) == ""
    assert removals(folder, "cp4")[1:] == ["REMOVED_MEMBERS=cp2=https://10.9.0.12:2380"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cp2", "--role", "worker"), "the spec lists 'cp2': leave out --role and --address"),
        (("cp9", "--role", "worker", "--address", "here"), "--address takes an IP address"),
        (("Cp 9", "--role", "worker", "--address", "10.9.0.9"), "'Cp 9' cannot be a node's name"),
        (("cp9", "--role", "boss", "--address", "10.9.0.9"), "'boss' is not one of"),
        (("cp9", "--role", "worker"), "add --role and --address"),
        (("cp22",), "no node 'cp22' in the spec; did you mean 'cp2'? if it was taken out already,"),
    ],
)
def test_wrong_usage_changes_nothing(
    folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    before = (folder / SECRETS).read_bytes()
    done = remove_node(folder, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert (folder / SECRETS).read_bytes() == before


def test_without_secrets_there_is_nothing_to_remove_from(tmp_path: Path) -> None:
    write(tmp_path, SMALL_SPEC)
    assert remove_node(tmp_path, "cp2").returncode == 3
    assert [path.name for path in tmp_path.iterdir()] == ["cluster.yaml"]


def test_two_founders_are_an_error_and_no_secrets_are_made(tmp_path: Path) -> None:
    write(tmp_path, SMALL_SPEC.replace(CP2, ""))
    for arguments in ((), ("--check",)):
        done = khgen("render", "cluster.yaml", *arguments, cwd=tmp_path)
        assert done.returncode == 1
        assert "cluster.yaml:9:1: error: 2 etcd members (control-plane nodes)" in done.stderr
        assert done.stderr.count("2 etcd members") == 1
        assert "hint: use 1 or 3\n" in done.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["cluster.yaml"]
    # Nothing was recorded, so the third is a founder like the others.
    write(tmp_path, SMALL_SPEC)
    render(tmp_path)
    assert list(kinds(tmp_path).values()).count("founder") == 3


def test_two_founders_are_not_rehearsed_either(tmp_path: Path) -> None:
    write(tmp_path, SMALL_SPEC.replace(CP2, ""))
    done = khgen("rehearse", "cluster.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "error: 2 etcd members (control-plane nodes)" in done.stderr


def test_a_removal_from_another_cluster_s_spec_is_refused(folder: Path) -> None:
    before = (folder / SECRETS).read_bytes()
    write(folder, SMALL_SPEC.replace("10.9.0.2,", "10.9.0.3,"))
    done = remove_node(folder, "cp2")
    assert done.returncode == 1
    assert "10.9.0.3" in done.stderr
    assert (folder / SECRETS).read_bytes() == before


def test_an_even_number_is_reported_beside_other_mistakes(tmp_path: Path) -> None:
    write(tmp_path, SMALL_SPEC.replace(CP2, "").replace("10.9.0.21", "10.9.0.11"))
    done = khgen("render", "cluster.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "already used by 'cp1'" in done.stderr
    assert "warning: 2 etcd members (control-plane nodes)" in done.stderr


def test_four_while_growing_to_five_are_a_warning(folder: Path) -> None:
    write(folder, SMALL_SPEC.replace(CP2, CP2 + CP4))
    said = render(folder)
    assert "cluster.yaml:9:1: warning: 4 etcd members (control-plane nodes) tolerate 1" in said
    assert (
        "hint: use 3 or 5; ignore this while the cluster grows or a node is being replaced" in said
    )
    assert kinds(folder)["cp4"] == "control-plane-joiner"


def test_an_imported_pki_founds_with_an_odd_number_too(folder: Path) -> None:
    write(folder, SMALL_SPEC.replace(CP2, ""))
    assert khgen("show", "cp1", "--write", "cp1", cwd=folder).returncode == 0
    pki = folder / "cp1/rootfs/etc/kubernetes/pki"
    arguments = ("secrets", "import", "cluster.yaml", pki, "--secrets", "adopted.yaml")
    done = khgen(*arguments, cwd=folder)
    assert done.returncode == 1
    assert "error: 2 etcd members" in done.stderr
    assert not (folder / "adopted.yaml").exists()
