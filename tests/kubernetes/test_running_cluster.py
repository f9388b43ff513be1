"""`khgen status` and served certificates with real kubectl and a real kube-apiserver."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from khgen.live.served_certificates import (
    ServerAddress,
    Verdict,
    compared_certificates,
    served_certificates,
)
from support.api_lists import kubectl_path, name_it
from support.api_server import ApiServer, api_server
from support.command import SMALL_SPEC, khgen
from support.rendered_out import manifest_of, node_files
from support.seen_cluster import VERSION, node_of, pod_of, report_of, slot_of

pytestmark = pytest.mark.kubernetes
SPEC = SMALL_SPEC + 'kubernetes: {apiServer: {certSANs: ["127.0.0.1"]}}\n'
NODES = ("cp1", "cp2", "cp3", "w1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "cluster.yaml").write_text(SPEC)
    done = khgen("render", "cluster.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The API with four nodes that were founded from the output, and have no update yet."""
    with api_server(tmp_path_factory.mktemp("server"), folder / "out", "cp1") as server:
        name_it(folder / "out/admin.conf", server.port)
        server.kubectl(
            *("create", "clusterrolebinding", "admins", "--clusterrole=cluster-admin"),
            "--group=kubeadm:cluster-admins",
        )
        for name in NODES:
            node = node_of(name)
            for key in ("uid", "resourceVersion"):
                del node["metadata"][key]
            server.create("Node", node)
        for name in NODES[:3]:
            pod = pod_of(name)
            pod["metadata"]["labels"] = {"component": "kube-apiserver", "tier": "control-plane"}
            server.create("Pod", pod)
        yield server


def status(folder: Path, path: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the report of khgen status."""
    env = {"PATH": path, "HOME": str(folder), "KUBECONFIG": ""}
    done = khgen("status", "--format", "json", *arguments, cwd=folder, env=env)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def report(server: ApiServer, name: str, **changed: object) -> None:
    """Annotate the Node as the node does."""
    text = json.dumps(report_of(**changed))  # type: ignore[arg-type]
    server.kubectl("annotate", "--overwrite", "node", name, f"khgen/update={text}")


def test_a_cluster_from_its_founding_to_a_stopped_roll(
    folder: Path, server: ApiServer, tmp_path: Path
) -> None:
    path = kubectl_path(tmp_path)
    code, said = status(folder, path)
    assert (code, said["differences"]) == (
        2, ["the cluster has no bundles yet: kubectl apply -f out/update.yaml"],
    )  # fmt: skip
    server.kubectl("apply", "-f", folder / "out/update.yaml")
    code, said = status(folder, path)
    assert (code, said["differences"]) == (2, [])
    assert all("has not reported a bundle yet" in n["differences"][0] for n in said["nodes"])
    wanted = {n: e["update"]["generation"] for n, e in manifest_of(folder / "out")["nodes"].items()}
    for name in NODES:
        etcd = "healthy" if name != "w1" else None
        report(
            server, name, applied=wanted[name], wanted=wanted[name], etcd=etcd, vip=name == "cp2"
        )
    code, said = status(folder, path)
    assert (code, said["asRendered"], said["vipHolders"]) == (0, True, ["cp2"]), said
    assert {(n["kubelet"], n["ready"]) for n in said["nodes"]} == {(VERSION, True)}
    state = json.dumps({"slots": {"cp3": slot_of("control-plane", "failed", "disk full")}})
    patch = json.dumps({"data": {"state": state}})
    server.kubectl("patch", "configmap", "roll", "-n", "khgen", "--type=merge", "-p", patch)
    code, said = status(folder, path)
    assert (code, said["stopped"]) == (
        2, ["cp3 (control-plane) failed at 2026-11-26 02:03Z: disk full"],
    )  # fmt: skip
    # What the operator applies never has the state: it stays.
    server.kubectl("apply", "-f", folder / "out/update.yaml")
    assert status(folder, path)[1]["stopped"] == said["stopped"]


@pytest.mark.usefixtures("server")
def test_an_identity_without_rights_is_a_failed_program(folder: Path, tmp_path: Path) -> None:
    weak = tmp_path / "weak.conf"
    text = (folder / "out/admin.conf").read_text()
    user = text.index("users:")
    weak.write_text(f"{text[:user]}users:\n- name: kubernetes-admin\n  user: {{token: weak}}\n")
    code, said = status(folder, kubectl_path(tmp_path), "--kubeconfig", str(weak))
    assert code == 4
    (problem,) = said["problems"]
    assert "forbidden" in problem["message"], problem


def test_the_real_server_serves_what_was_rendered(folder: Path, server: ApiServer) -> None:
    files = {name: node_files(folder / "out", name) for name in NODES[:3]}
    path = "/etc/kubernetes/pki/apiserver.crt"
    rendered = {name: x509.load_pem_x509_certificate(files[name][path]) for name in files}
    address = ServerAddress(host="127.0.0.1", port=server.port, node=None)
    served = served_certificates([address], server.authority.read_text())
    (found,) = compared_certificates(served, rendered)
    assert (found.node, found.verdict, found.served.fault) == ("cp1", Verdict.AS_RENDERED, "")
