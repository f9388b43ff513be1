"""khgen render, as a process: exit codes, what it prints, and that nothing is ever lost."""

import json
import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.command import SMALL_SPEC, khgen
from support.rendered_out import node_files

WORKER = "  - {name: w2, role: worker, address: 10.9.0.22}\n"
SECRETS = "small.secrets.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cluster.yaml").write_text(SMALL_SPEC)
    return tmp_path


def tree(out: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below `out`: its bytes and mode."""
    return {
        str(path.relative_to(out)): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def timeless(files: dict[str, tuple[bytes, int]]) -> dict[str, tuple[bytes, int]]:
    """What does not depend on when it was rendered: an update has the time of the render that began it."""
    dated = ("update/bundle.json", "update/bundle.sig", "update.yaml", "manifest.json")
    return {name: file for name, file in files.items() if not name.endswith(dated)}


def render(folder: Path, *arguments: str | Path, stdin: str = "") -> str:
    done = khgen("render", "cluster.yaml", *arguments, cwd=folder, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_first_render_writes_the_output_and_the_secrets_and_says_so(folder: Path) -> None:
    said = render(folder)
    assert "rendered 4 nodes of small (Kubernetes 1.29.6) into out/" in said
    assert f"created {SECRETS} (0600)" in said
    assert sorted(path.name for path in folder.iterdir()) == ["cluster.yaml", "out", SECRETS]
    assert sorted(p.name for p in (folder / "out").iterdir()) == [
        "admin.conf",
        "kinds",
        "manifest.json",
        "nodes",
        "spec.json",
        "update.yaml",
    ]
    for node in ("cp1", "cp2", "cp3", "w1"):
        assert (folder / "out/nodes" / node / "user-data").read_text().startswith("#cloud-config\n")
        assert (folder / "out/nodes" / node / "meta-data").is_file()


def test_only_the_operator_can_read_what_was_written(folder: Path) -> None:
    before = os.umask(0)
    try:
        render(folder)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / SECRETS).stat().st_mode) == 0o600
    for path in (folder / "out", *(folder / "out").rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir():
            assert mode == 0o700, path
        elif "kinds" not in path.parts:
            assert mode == 0o600, path


def test_rendering_again_gives_the_same_bytes(folder: Path) -> None:
    render(folder)
    first = tree(folder / "out")
    said = render(folder)
    assert "created" not in said
    assert tree(folder / "out") == first
    render(folder, "-o", "elsewhere/deep")
    assert timeless(tree(folder / "elsewhere/deep")) == timeless(first)


def test_the_clock_does_not_matter_to_the_bytes(folder: Path) -> None:
    render(folder)
    first = tree(folder / "out")
    later = str(int(time.time()) + 200 * 86400)
    done = khgen("render", "cluster.yaml", cwd=folder, env={"SOURCE_DATE_EPOCH": later})
    assert done.returncode == 0, done.stderr
    assert tree(folder / "out") == first


def test_a_worker_more_leaves_the_other_nodes_alone(folder: Path) -> None:
    render(folder)
    first = tree(folder / "out")
    (folder / "cluster.yaml").write_text(SMALL_SPEC + WORKER)
    render(folder)
    second = tree(folder / "out")
    old = {name: entry for name, entry in first.items() if name.startswith("nodes/")}
    changed = {name for name, entry in old.items() if second[name] != entry}
    # Control planes set the labels and taints of all Nodes.
    assert {Path(name).parent.name for name in changed} == {"update"}
    assert {name.split("/")[1] for name in changed} == {"cp1", "cp2", "cp3"}
    assert "nodes/w2/user-data" in second


def test_a_control_plane_that_comes_later_joins(folder: Path) -> None:
    render(folder)
    more = "  - {name: cp4, role: control-plane, address: 10.9.0.14}\n" * 1
    more += "  - {name: cp5, role: control-plane, address: 10.9.0.15}\n"
    (folder / "cluster.yaml").write_text(SMALL_SPEC + more)
    render(folder)
    kinds = {
        name: entry["kind"]
        for name, entry in json.loads((folder / "out/manifest.json").read_text())["nodes"].items()
    }
    assert kinds["cp1"] == "founder"
    assert kinds["cp4"] == kinds["cp5"] == "control-plane-joiner"


def test_one_node_alone_keeps_the_others(folder: Path) -> None:
    render(folder)
    first = tree(folder / "out")
    (folder / "out/nodes/w1/user-data").write_text("spoiled")
    (folder / "out/nodes/cp1/user-data").write_text("kept as it is")
    render(folder, "--node", "w1")
    second = tree(folder / "out")
    assert second["nodes/w1/user-data"] == first["nodes/w1/user-data"]
    assert second["nodes/cp1/user-data"][0] == b"kept as it is"
    assert second["manifest.json"] == first["manifest.json"]


def test_one_node_into_an_empty_place(folder: Path) -> None:
    render(folder, "--node", "w1", "--node", "cp2")
    assert sorted(p.name for p in (folder / "out/nodes").iterdir()) == ["cp2", "w1"]


def test_an_unknown_node_is_wrong_usage(folder: Path) -> None:
    done = khgen("render", "cluster.yaml", "--node", "w9", cwd=folder)
    assert done.returncode == 2
    assert "no node 'w9' in the spec; there are: cp1, cp2, cp3, w1" in done.stderr


def test_check_writes_nothing(folder: Path) -> None:
    said = render(folder, "--check")
    assert "4 nodes of small (Kubernetes 1.29.6) can be rendered; nothing was written" in said
    assert [path.name for path in folder.iterdir()] == ["cluster.yaml"]


def test_all_errors_are_reported_at_once_and_nothing_is_written(folder: Path) -> None:
    bad = SMALL_SPEC.replace("role: worker", "role: wroker").replace("10.9.0.12", "10.9.0.300")
    (folder / "cluster.yaml").write_text(bad)
    done = khgen("render", "cluster.yaml", cwd=folder)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "cluster.yaml:11:" in done.stderr
    assert "cluster.yaml:13:" in done.stderr
    assert "did you mean 'worker'?" in done.stderr
    assert done.stderr.splitlines()[-1] == "2 errors; nothing was written"
    assert [path.name for path in folder.iterdir()] == ["cluster.yaml"]


def test_manifests_are_checked_where_they_are(folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more/a.yaml").write_bytes(b"\x7fELF\0\xff")
    (folder / "more/b.yaml").write_text("kind: Pod\n")
    (folder / "more/c.yaml").write_text(
        "apiVersion: operator.tigera.io/v1\nkind: Installation\nmetadata: {name: default}\n"
        "spec: {calicoNetwork: {ipPools: [{cidr: 192.168.0.0/16}]}}\n"
    )
    manifests = ", ".join(f"{{name: {name}, path: more/{name}.yaml}}" for name in "abc")
    spec = SMALL_SPEC.replace("addons: {", f"addons: {{manifests: [{manifests}], ")
    (folder / "cluster.yaml").write_text(spec)
    done = khgen("render", "cluster.yaml", cwd=folder)
    assert done.returncode == 1
    assert "more/a.yaml:1:1: error: this is a binary file, not YAML" in done.stderr
    assert "more/b.yaml:1:1: error: 'Pod' lacks apiVersion, metadata.name" in done.stderr
    assert "more/c.yaml:4:41: error: Calico's network 192.168.0.0/16 contradicts" in done.stderr
    assert done.stderr.splitlines()[-1] == "3 errors; nothing was written"


def test_errors_as_json(folder: Path) -> None:
    (folder / "cluster.yaml").write_text(SMALL_SPEC.replace("role: worker", "role: wroker"))
    done = khgen("render", "cluster.yaml", "--format", "json", cwd=folder)
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert said["written"] is False
    assert [(p["line"], p["path"]) for p in said["problems"]] == [(13, "nodes[3].role")]


def test_strict_takes_a_warning_for_an_error(folder: Path) -> None:
    alone = "\n".join(
        line for line in SMALL_SPEC.splitlines() if "cp2" not in line and "cp3" not in line
    )
    (folder / "cluster.yaml").write_text(alone)
    assert khgen("render", "cluster.yaml", "--check", cwd=folder).returncode == 0
    done = khgen("render", "cluster.yaml", "--check", "--strict", cwd=folder)
    assert done.returncode == 1
    assert "warning" in done.stderr


def test_a_signing_key_beside_the_spec_travels_and_is_no_longer_warned_of(folder: Path) -> None:
    armour = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQIN\n-----END PGP PUBLIC KEY BLOCK-----\n"
    (folder / "docker.asc").write_text(armour)
    pinned = "install: {dockerRepositoryKey: {path: docker.asc}}"
    spec = re.sub("^install: .*$", pinned, SMALL_SPEC, flags=re.MULTILINE)
    (folder / "cluster.yaml").write_text(spec)
    done = khgen("render", "cluster.yaml", cwd=folder)
    assert "the repository kubernetes is trusted on first use" in done.stderr
    placed = node_files(folder / "out", "cp1")["/etc/apt/keyrings/docker.asc"]
    assert placed.decode() == armour


def test_a_success_as_json(folder: Path) -> None:
    said = json.loads(render(folder, "--format", "json"))
    assert said["written"] is True
    assert said["secrets"] == {"path": SECRETS, "created": True}
    user_data = said["nodes"]["w1"]["userData"]
    assert user_data["bytes"] == (folder / "out/nodes/w1/user-data").stat().st_size


def test_secrets_from_standard_input(folder: Path) -> None:
    render(folder)
    first = tree(folder / "out")
    text = (folder / SECRETS).read_text()
    (folder / SECRETS).unlink()
    render(folder, "--secrets", "-", stdin=text)
    assert tree(folder / "out") == first
    assert not (folder / SECRETS).exists()


@pytest.mark.parametrize("damage", ["", "half", "garbage", "other"])
def test_damaged_secrets_are_an_error_and_are_not_replaced(folder: Path, damage: str) -> None:
    render(folder)
    text = (folder / SECRETS).read_text()
    damaged = {
        "": "",
        "half": text[: len(text) // 2],
        "garbage": "\0\1\2",
        "other": text.replace("cluster: small", "cluster: another"),
    }[damage]
    (folder / SECRETS).write_text(damaged)
    first = tree(folder / "out")
    done = khgen("render", "cluster.yaml", cwd=folder)
    assert done.returncode == 1
    assert f"{SECRETS}:" in done.stderr
    assert "PRIVATE KEY-----\nM" not in done.stderr
    assert (folder / SECRETS).read_text() == damaged
    assert tree(folder / "out") == first


def test_user_data_over_the_limit_is_refused_with_what_costs_most(folder: Path) -> None:
    (folder / "cluster.yaml").write_text(
        SMALL_SPEC + "userData: {datasource: ec2, maxBytes: 2000}\n"
    )
    done = khgen("render", "cluster.yaml", cwd=folder)
    assert done.returncode == 1
    assert done.stderr.count("cluster.yaml:14:39: error: user-data of '") == 4
    assert done.stderr.count(" bytes, userData.maxBytes allows 2,000") == 4
    assert "hint: raise userData.maxBytes, bake programs into an image" in done.stderr
    assert "ec2 takes" not in done.stderr
    assert "the largest files: /" in done.stderr
    assert not (folder / "out").exists()


def test_an_unwritable_place_is_exit_code_3(folder: Path) -> None:
    (folder / "file").write_text("")
    done = khgen("render", "cluster.yaml", "-o", "file/out", cwd=folder)
    assert done.returncode == 3
    assert done.stderr.startswith("khgen: error: ")


def test_a_missing_spec_is_exit_code_3(tmp_path: Path) -> None:
    done = khgen("render", "cluster.yaml", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith("khgen: error: cluster.yaml: there is no such file\n  hint: ")


def test_two_first_renders_at_once_agree_on_one_identity(folder: Path) -> None:
    command = [sys.executable, "-m", "khgen", "render", "cluster.yaml", "-o"]
    both = [
        subprocess.Popen([*command, out], cwd=folder, stdout=subprocess.DEVNULL)
        for out in ("one", "two")
    ]
    assert [process.wait(60) for process in both] == [0, 0]
    one, two = tree(folder / "one"), tree(folder / "two")
    assert timeless(one) == timeless(two)
    assert one.keys() == two.keys()
    assert not list(folder.glob(".*"))
