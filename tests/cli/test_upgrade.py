"""khgen upgrade plan, as a process: where the way begins, what it prints, its exit codes."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.command import SMALL_SPEC, khgen
from support.rendered_out import tree

OLD = "kubernetes: {version: 1.30.2}\n"
FLAG = "kubernetes: {version: 1.30.2, apiServer: {extraArgs: {cloud-provider: external}}}\n"
ROLE = "node-role.kubernetes.io/control-plane"


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rendered")
    (folder / "cluster.yaml").write_text(SMALL_SPEC + OLD)
    assert khgen("render", "cluster.yaml", cwd=folder).returncode == 0
    return folder


@pytest.fixture
def folder(once: Path, tmp_path: Path) -> Path:
    """A rendered small cluster of Kubernetes 1.30.2."""
    return shutil.copytree(once, tmp_path / "cluster", symlinks=True)


def plan(folder: Path, *arguments: str, code: int = 0, path: str | None = None) -> dict[str, Any]:
    """The JSON report of a run that ends with that code."""
    env = {} if path is None else {"PATH": path}
    words = ("upgrade", "plan", "cluster.yaml", "--format", "json", *arguments)
    done = khgen(*words, cwd=folder, env=env)
    assert done.returncode == code, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["exitCode"] == code
    assert report["wrote"] == []
    return report


def test_the_way_begins_at_the_recorded_version_and_writes_nothing(folder: Path) -> None:
    before = tree(folder)
    report = plan(folder, "--to", "1.32.1")
    assert tree(folder) == before
    assert (report["cluster"], report["running"], report["wanted"]) == ("small", "1.30.2", "1.32.1")
    assert [hop["version"] for hop in report["hops"]] == ["1.31.14", "1.32.1"]
    assert [hop["migratesConfiguration"] for hop in report["hops"]] == [True, False]
    assert report["hops"][1]["notes"][0]["source"].startswith("CHANGELOG-1.32.md")
    assert report["problems"] == []


def test_the_way_ends_at_the_specs_version(folder: Path) -> None:
    (folder / "cluster.yaml").write_text(SMALL_SPEC + OLD.replace("1.30.2", "1.31.3"))
    assert [hop["version"] for hop in plan(folder)["hops"]] == ["1.31.3"]


def test_nothing_to_upgrade(folder: Path) -> None:
    assert plan(folder)["hops"] == []
    done = khgen("upgrade", "plan", "cluster.yaml", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "small runs Kubernetes 1.30.2: there is nothing to upgrade\n"


def test_a_removed_flag_is_an_error_with_its_place(folder: Path) -> None:
    (folder / "cluster.yaml").write_text(SMALL_SPEC + FLAG)
    report = plan(folder, "--to", "1.34.0", code=1)
    assert [(hop["version"], hop["changes"]) for hop in report["hops"]] == [
        ("1.31.14", 0),
        ("1.32.13", 0),
        ("1.33.13", 1),
        ("1.34.0", 0),
    ]
    (problem,) = report["problems"]
    assert problem["message"].startswith("kube-apiserver 1.33 has no flag 'cloud-provider'")
    assert (problem["line"], problem["column"]) == (14, FLAG.index("cloud-provider") + 1)
    assert plan(folder, "--to", "1.32.0")["problems"] == []


def test_the_text_names_what_to_run(folder: Path) -> None:
    done = khgen("upgrade", "plan", "cluster.yaml", "--to", "1.31.14", "-o", "o", cwd=folder)
    assert done.returncode == 0
    for line in (
        "1. Kubernetes 1.31.14",
        "kubernetes.version: 1.31.14",
        "registry.k8s.io/kube-apiserver:v1.31.14",
        "kubelets       1.28 or newer",
        "kubeadm        reads kubeadm.k8s.io/v1beta4, migrated by khgen",
        "khgen render cluster.yaml -o o",
        "kubectl apply -f o/update.yaml",
    ):
        assert line in done.stdout


@pytest.mark.parametrize(
    ("wanted", "code", "message"),
    [
        ("1.29.6", 1, "Kubernetes 1.29.6 is older than 1.30.2"),
        ("1.99.0", 1, "Kubernetes 1.99 is not supported"),
        ("newest", 2, "'newest' is not a Kubernetes version like 1.29.6"),
    ],
)
def test_there_is_no_way(folder: Path, wanted: str, code: int, message: str) -> None:
    assert message in plan(folder, "--to", wanted, code=code)["problems"][0]["message"]


def test_without_a_record_and_without_a_cluster_there_is_no_beginning(folder: Path) -> None:
    (folder / "small.secrets.yaml").unlink()
    (problem,) = plan(folder, code=3)["problems"]
    assert problem["message"] == "there is no such secrets file"


def node(name: str, kubelet: str, *, control_plane: bool = False) -> dict[str, Any]:
    labels = {ROLE: ""} if control_plane else {}
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {"nodeInfo": {"kubeletVersion": kubelet}},
    }


def program(folder: Path, script: str) -> str:
    """A PATH with this script as kubectl before all else."""
    place = folder / "bin"
    place.mkdir()
    (place / "kubectl").write_text(f"#!/bin/sh\n{script}\n")
    (place / "kubectl").chmod(0o755)
    return f"{place}:{os.environ['PATH']}"


def listing(folder: Path, *nodes: dict[str, Any]) -> str:
    (folder / "nodes.json").write_text(json.dumps({"kind": "List", "items": nodes}))
    wanted = "--kubeconfig admin.conf get nodes -o json --request-timeout=30s"
    return program(folder, f'[ "$*" = "{wanted}" ] && cat {folder}/nodes.json')


def test_the_way_begins_at_the_oldest_control_plane_of_the_cluster(folder: Path) -> None:
    path = listing(
        folder,
        node("cp1", "v1.31.4", control_plane=True),
        node("cp2", "v1.31.2", control_plane=True),
        node("w1", "v1.29.0"),
        node("w2", "v1.28.9-eks-1"),
    )
    (folder / "admin.conf").touch()
    (folder / "small.secrets.yaml").unlink()
    report = plan(folder, "--kubeconfig", "admin.conf", "--to", "1.33.0", code=1, path=path)
    assert report["running"] == "1.31.2"
    assert [hop["tooOld"] for hop in report["hops"]] == [["w2"], ["w1", "w2"]]
    plan(folder, "--kubeconfig", "admin.conf", "--to", "1.31.9", path=path)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'The connection was refused' >&2; exit 1", "The connection was refused"),
        ("echo '{\"items\": []}'", f"no node with the label {ROLE}"),
        ("echo hello", "it prints no JSON"),
    ],
)
def test_a_kubectl_that_fails_ends_with_4(folder: Path, script: str, message: str) -> None:
    (folder / "admin.conf").touch()
    path = program(folder, script)
    report = plan(folder, "--kubeconfig", "admin.conf", code=4, path=path)
    assert message in report["problems"][0]["message"]


def test_without_kubectl_the_hint_is_to_leave_the_option_out(folder: Path) -> None:
    (folder / "admin.conf").touch()
    report = plan(folder, "--kubeconfig", "admin.conf", code=4, path=str(folder))
    assert report["problems"][0]["message"] == "there is no kubectl on the PATH"
