"""khgen diff, as a process: each effect, what it prints, its exit codes, and that it writes nothing."""

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.command import SMALL_SPEC, khgen
from support.rendered_out import ADDRESSED_SPEC, tree
from support.rendering import EXAMPLES_FOLDER

SECRETS = "small.secrets.yaml"
CONTROL_PLANES = ("cp1", "cp2", "cp3")
MORE_CONTROL_PLANES = (
    "  - {name: cp4, role: control-plane, address: 10.9.0.14}\n"
    "  - {name: cp5, role: control-plane, address: 10.9.0.15}\n"
)
W1 = "  - {name: w1, role: worker, address: 10.9.0.21}\n"
WORKER = "  - {name: w2, role: worker, address: 10.9.0.22}\n"


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rendered")
    (folder / "cluster.yaml").write_text(SMALL_SPEC)
    assert khgen("render", "cluster.yaml", cwd=folder).returncode == 0
    return folder


@pytest.fixture
def folder(once: Path, tmp_path: Path) -> Path:
    """A rendered small cluster: its spec, secrets and output."""
    return shutil.copytree(once, tmp_path / "cluster", symlinks=True)


def spec_with(section: str = "", *, node: str = "", rows: str = "") -> str:
    """The small spec with a section, with keys of the worker, with further nodes."""
    spec = SMALL_SPEC.replace("nodes:\n", f"{section}\nnodes:\n").replace(W1, f"{W1}{rows}")
    return spec.replace("address: 10.9.0.21", f"address: 10.9.0.21, {node}") if node else spec


def differences(folder: Path, spec: str, *arguments: str) -> dict[str, Any]:
    """What diff reports as JSON about that spec; it must find something."""
    (folder / "cluster.yaml").write_text(spec)
    done = khgen("diff", "cluster.yaml", "--format", "json", *arguments, cwd=folder)
    assert done.returncode == 2, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def effects(found: dict[str, Any]) -> dict[str, str]:
    return {node["name"]: node["effect"] for node in found["nodes"]}


def on_control_planes(effect: str) -> dict[str, str]:
    return dict.fromkeys(CONTROL_PLANES, effect)


def on_all(effect: str) -> dict[str, str]:
    return {**on_control_planes(effect), "w1": effect}


MIRROR = "containerd: {registryMirrors: [{registry: docker.io, endpoints: [https://m.example]}]}"
CASES = {
    "a worker more": (
        spec_with(rows=WORKER),
        {**on_control_planes("reload"), "w2": "new machine"},
        [],
    ),
    "control planes more": (
        spec_with(rows=MORE_CONTROL_PLANES),
        {**on_control_planes("reload"), "cp4": "new machine", "cp5": "new machine"},
        [],
    ),
    "a label": (
        spec_with(node="labels: {a: b}"),
        {**on_control_planes("reload"), "w1": "restart"},
        ["nodes[w1].labels"],
    ),
    "a taint": (
        spec_with(node="taints: [{key: a, effect: NoSchedule}]"),
        {**on_control_planes("reload"), "w1": "reload"},
        ["nodes[w1].taints"],
    ),
    "flags": (
        spec_with("kubernetes: {apiServer: {extraArgs: {v: '4'}}}"),
        on_control_planes("restart"),
        ["kubernetes.apiServer.extraArgs"],
    ),
    "a version": (
        spec_with("kubernetes: {version: 1.29.7}"),
        on_all("drain"),
        ["kubernetes.version"],
    ),
    "a VIP": (
        SMALL_SPEC.replace("vip: 10.9.0.2,", "vip: 10.9.0.3,"),
        on_all("not possible"),
        ["controlPlaneEndpoint.vip"],
    ),
    "the kubelet": (
        spec_with("kubernetes: {kubelet: {config: {maxPods: 50}}}"),
        on_all("restart"),
        ["kubernetes.kubelet.config"],
    ),
    "kube-proxy": (
        spec_with("kubernetes: {kubeProxy: {config: {metricsBindAddress: 0.0.0.0}}}"),
        on_control_planes("restart"),
        ["kubernetes.kubeProxy.config"],
    ),
    "sysctl": (
        SMALL_SPEC.replace('"12"}', '"12", sysctl: {extra: {vm.swappiness: 1}}}'),
        on_all("reload"),
        ["os.sysctl.extra"],
    ),
    "a mirror": (spec_with(MIRROR), on_all("restart"), ["containerd.registryMirrors"]),
    "cloud-config": (
        SMALL_SPEC.replace('"12"}', '"12", timezone: Asia/Shanghai}'),
        on_all("reload"),
        ["os.timezone"],
    ),
    "certificates": (
        spec_with("pki: {certificateValidity: 300d}"),
        on_all("restart"),
        ["pki.certificateValidity"],
    ),
    "a datasource": (
        f"{SMALL_SPEC}userData: {{datasource: ec2}}\n",
        on_all("new machine"),
        ["userData.datasource"],
    ),
    "what only a render looks at": (spec_with("pki: {bootWindow: 20d}"), {}, ["pki.bootWindow"]),
}


@pytest.mark.parametrize("case", CASES)
def test_each_change_has_its_effect_on_its_nodes(folder: Path, case: str) -> None:
    spec, expected, keys = CASES[case]
    before = tree(folder / "out")
    found = differences(folder, spec)
    assert effects(found) == expected
    printed = [key["key"] for key in found["keys"]]
    assert printed == [key.replace("[w1]", "[]") for key in keys]
    for node in found["nodes"]:
        own = [key for key in keys if "nodes[" not in key or f"[{node['name']}]" in key]
        assert node["keys"] == ([] if node["change"] == "new" else own)
    assert tree(folder / "out") == before


def test_nothing_changes_after_a_render(folder: Path) -> None:
    done = khgen("diff", "cluster.yaml", cwd=folder)
    assert (done.returncode, done.stdout) == (0, "nothing changes against out/\n")
    found = json.loads(khgen("diff", "cluster.yaml", "--format", "json", cwd=folder).stdout)
    assert "problems" in found
    assert {key: value for key, value in found.items() if key != "problems"} == {
        "output": "out",
        "changes": False,
        "nodes": [],
        "unchanged": [*CONTROL_PLANES, "w1"],
        "keysKnown": True,
        "keys": [],
        "adminConf": None,
        "exitCode": 0,
        "written": False,
        "wrote": [],
    }


def test_renewed_certificates_are_a_restart_and_a_replaced_machine_is_a_replacement(
    folder: Path,
) -> None:
    assert khgen("certs", "renew", "cluster.yaml", cwd=folder).returncode == 0
    found = differences(folder, SMALL_SPEC)
    assert effects(found) == on_all("restart")
    assert found["adminConf"] == "changed"
    assert khgen("node", "replace", "cluster.yaml", "w1", cwd=folder).returncode == 0
    assert khgen("node", "replace", "cluster.yaml", "cp2", cwd=folder).returncode == 0
    found = differences(folder, SMALL_SPEC)
    assert effects(found) == on_all("restart") | {"w1": "replace", "cp2": "replace"}
    assert [node["name"] for node in found["nodes"] if node["replaced"]] == ["cp2", "w1"]


def test_a_node_that_is_gone(folder: Path) -> None:
    spec = SMALL_SPEC.replace(W1, "")
    found = differences(folder, spec)
    assert [(n["name"], n["change"], n["effect"]) for n in found["nodes"]] == [
        *((name, "changed", "reload") for name in CONTROL_PLANES),
        ("w1", "gone", None),
    ]
    said = khgen("diff", "cluster.yaml", cwd=folder).stdout
    assert "w1: gone from the spec; its machine is left as it is\n" in said
    assert "khgen node remove" in said


def test_the_report_for_people(folder: Path) -> None:
    section = "kubernetes: {apiServer: {extraArgs: {v: '4'}}}"
    (folder / "cluster.yaml").write_text(spec_with(section, rows=WORKER))
    done = khgen("diff", "cluster.yaml", cwd=folder)
    assert done.returncode == 2
    assert done.stdout == (
        "".join(
            f"{name}: restart\n"
            "  for kubernetes.apiServer.extraArgs\n"
            "  ~ /etc/khgen/cluster.yaml  restart: configuration of the cluster\n"
            "  ~ /etc/khgen/kubeadm.yaml  nothing: for a first boot only\n"
            "  ~ /etc/khgen/nodes.json    reload: labels and taints\n\n"
            for name in CONTROL_PLANES
        )
        + "w2: new machine, not in the output yet\n\n"
        "kubernetes.apiServer.extraArgs (restart, control planes)\n"
        "  An update changes the kubeadm-config ConfigMap and the static pods, one control plane at a"
        " time.\n\n"
        "restart: programs restart and pods go on; control planes and etcd members restart theirs one"
        " machine at a time\n\n"
        "once rendered into out/:\n"
        "machines that are up update in turn after:\n"
        "  kubectl --kubeconfig out/admin.conf apply -f out/update.yaml\n\n"
        "unchanged: 1 node (w1)\n"
    )


def test_what_only_cloud_init_brings_is_in_no_update(folder: Path) -> None:
    (folder / "cluster.yaml").write_text(
        SMALL_SPEC.replace('"12"}', '"12", timezone: Asia/Shanghai}')
    )
    said = khgen("diff", "cluster.yaml", cwd=folder).stdout
    assert "Only cloud-init does it: give machines their new seeds and reboot them.\n" in said
    assert "update.yaml" not in said
    assert "update.yaml" not in khgen("render", "cluster.yaml", cwd=folder).stdout


def test_a_patch_shows_lines_of_public_files_only(folder: Path) -> None:
    (folder / "cluster.yaml").write_text(spec_with(rows=MORE_CONTROL_PLANES))
    done = khgen("diff", "cluster.yaml", "-p", "--node", "cp1", cwd=folder)
    assert done.returncode == 2
    assert "    +  server cp4 10.9.0.14:6443\n" in done.stdout
    assert "    --- before/cp1/etc/khgen/haproxy.cfg\n" in done.stdout
    private = "~ /etc/khgen/keepalived.conf  reload: virtual IP\n    changed (private: not shown)\n"
    assert private in done.stdout
    assert "cp2" not in done.stdout.partition("\n")[0]
    found = differences(folder, spec_with(rows=MORE_CONTROL_PLANES), "-p", "--node", "cp1")
    (node,) = found["nodes"]
    patches = {file["path"]: file["patch"] for file in node["files"]}
    assert patches["/etc/khgen/keepalived.conf"] == ["changed (private: not shown)"]
    assert "+10.9.0.14 cp4" in patches["/etc/hosts"]


def test_a_new_file_and_one_that_is_gone(folder: Path) -> None:
    (folder / "cluster.yaml").write_text(spec_with(MIRROR))
    path = "/etc/containerd/certs.d/docker.io/hosts.toml"
    said = khgen("diff", "cluster.yaml", "-p", "--node", "w1", cwd=folder).stdout
    assert f"  + {path}  restart: container runtime\n    --- /dev/null\n" in said
    assert khgen("render", "cluster.yaml", cwd=folder).returncode == 0
    (folder / "cluster.yaml").write_text(SMALL_SPEC)
    said = khgen("diff", "cluster.yaml", "--node", "w1", cwd=folder).stdout
    assert f"  - {path}  restart: container runtime\n" in said
    assert "once rendered into out/:\nmachines that are up update in turn after:\n" in said


def test_what_only_a_node_that_runs_has_is_compared_too(folder: Path) -> None:
    (node,) = differences(folder, f"{SMALL_SPEC}updates: {{drainTimeout: 6m}}\n", "--node", "w1")[
        "nodes"
    ]
    assert [file["path"] for file in node["files"]] == ["/etc/khgen/roll.json"]
    assert (node["effect"], node["keys"]) == ("nothing", ["updates.drainTimeout"])


def test_a_terminal_gets_colours_unless_it_wants_none(folder: Path) -> None:
    (folder / "cluster.yaml").write_text(spec_with(rows=MORE_CONTROL_PLANES))
    added = b"\x1b[32m+10.9.0.14 cp4\x1b[0m"
    assert added in on_a_terminal(folder, {})
    assert b"\x1b[" not in on_a_terminal(folder, {"NO_COLOR": "1"})


def on_a_terminal(folder: Path, env: dict[str, str]) -> bytes:
    """What diff -p writes to a terminal."""
    ours, theirs = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    command = [sys.executable, "-m", "khgen", "diff", "cluster.yaml", "-p", "--node", "cp1"]
    written = b""
    with subprocess.Popen(command, cwd=folder, stdout=theirs, env={**inherited, **env}) as process:
        os.close(theirs)
        try:
            while part := os.read(ours, 65536):
                written += part
        except OSError:  # Linux: the other end is closed.
            pass
        assert process.wait(60) == 2
    os.close(ours)
    return written


def test_without_the_kept_spec_files_alone_decide(folder: Path) -> None:
    (folder / "out/spec.json").unlink()
    found = differences(folder, spec_with(node="labels: {a: b}"))
    assert effects(found) == {**on_control_planes("reload"), "w1": "restart"}
    assert (found["keysKnown"], found["keys"]) == (False, [])
    said = khgen("diff", "cluster.yaml", cwd=folder).stdout
    assert "out/ has no spec.json, so the changed keys of the spec are not known\n" in said
    for damaged in ("{", "[]", '{"nodes": 1}', '{"nodes": [{}]}'):
        (folder / "out/spec.json").write_text(damaged)
        assert differences(folder, spec_with(node="labels: {a: b}"))["keysKnown"] is False


def test_a_render_of_one_node_keeps_the_spec_of_the_others(folder: Path) -> None:
    kept = (folder / "out/spec.json").read_bytes()
    spec = SMALL_SPEC.replace('"12"}', '"12", sysctl: {extra: {vm.swappiness: 1}}}')
    (folder / "cluster.yaml").write_text(spec)
    assert khgen("render", "cluster.yaml", "--node", "w1", cwd=folder).returncode == 0
    assert (folder / "out/spec.json").read_bytes() == kept
    found = differences(folder, spec)
    assert effects(found) == on_control_planes("reload")
    assert found["unchanged"] == ["w1"]


def test_the_network_of_a_machine(folder: Path) -> None:
    found = differences(folder, ADDRESSED_SPEC)
    (node,) = found["nodes"]
    files = {file["path"]: (file["change"], file["effect"]) for file in node["files"]}
    assert files["network-config"] == ("new", "restart")
    assert node["keys"] == ["nodes[w1].network"]


def test_external_etcd_members_alone_have_the_effect_of_their_keys(tmp_path: Path) -> None:
    spec = (EXAMPLES_FOLDER / "external-etcd/cluster.yaml").read_text(encoding="utf-8")
    (tmp_path / "cluster.yaml").write_text(spec)
    assert khgen("render", "cluster.yaml", cwd=tmp_path).returncode == 0
    changed = spec.replace(
        "  topology: external", "  extraArgs: {max-snapshots: '3'}\n  topology: external"
    ).replace('release: "12"', 'release: "12"\n  timezone: Asia/Shanghai')
    found = effects(differences(tmp_path, changed))
    assert {name for name, effect in found.items() if effect == "restart"} == {
        "infra0",
        "infra1",
        "infra2",
    }
    assert set(found.values()) == {"restart", "reload"}


def test_a_change_that_a_render_refuses_is_a_warning_beside_its_effect(folder: Path) -> None:
    spec = SMALL_SPEC.replace("vip: 10.9.0.2,", "vip: 10.9.0.3,")
    problems = {p["message"]: p["severity"] for p in differences(folder, spec)["problems"]}
    said = "the control-plane endpoint is 10.9.0.3:8443 here, but 10.9.0.2:8443 in the secrets file"
    assert problems[said] == "warning"
    done = khgen("render", "cluster.yaml", cwd=folder)
    assert (done.returncode, "error: the control-plane endpoint" in done.stderr) == (1, True)


def test_what_cannot_be_compared(folder: Path) -> None:
    def said(code: int, *arguments: str) -> str:
        done = khgen("diff", "cluster.yaml", *arguments, cwd=folder)
        assert (done.returncode, done.stdout) == (code, "")
        return done.stderr

    assert said(3, "-o", "no") == (
        "khgen: error: no: there is no such folder: khgen render writes it\n"
    )
    assert "no node 'w9' in the spec or in the output" in said(2, "--node", "w9")
    user_data = folder / "out/nodes/w1/user-data"
    plain = user_data.read_bytes()
    user_data.write_bytes(b"spoiled")
    (folder / "cluster.yaml").write_text(spec_with(node="labels: {a: b}"))
    assert "out/nodes/w1/user-data:1:1: error: changed since it was rendered" in said(1)
    user_data.write_bytes(plain)
    (folder / "cluster.yaml").write_text(SMALL_SPEC.replace("10.9.0.21", "10.9.0.300"))
    assert "10.9.0.300" in said(1)
    (folder / "cluster.yaml").write_text(SMALL_SPEC)
    (folder / SECRETS).rename(folder / "elsewhere")
    missing = "there is no such secrets file\n"
    assert said(3).startswith(f"khgen: error: {SECRETS}: {missing}  hint: khgen render creates it")
    assert not (folder / SECRETS).exists()
    kept = (folder / "elsewhere").read_text()
    done = khgen("diff", "cluster.yaml", "--secrets", "-", cwd=folder, stdin=kept)
    assert done.returncode == 0, done.stderr
