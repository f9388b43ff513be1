"""The other commands: init, schema, certs, secrets, help, and how khgen fails."""

import json
from pathlib import Path

import pytest

from khgen.cli import cli
from support.command import SMALL_SPEC, khgen
from support.rendered_out import node_files
from support.rendering import EXAMPLES, ROOT


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_has_help(command: str) -> None:
    done = khgen(command, "--help", cwd=ROOT)
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: python -m khgen {command}")


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_can_be_begun_with_and_rendered(example: str, tmp_path: Path) -> None:
    assert khgen("init", example, cwd=tmp_path).returncode == 0
    assert (tmp_path / "cluster.yaml").read_bytes() == (
        ROOT / "examples" / example / "cluster.yaml"
    ).read_bytes()
    done = khgen("render", "cluster.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # Nobody can pin keys on the user's behalf: each example warns of it, once.
    assert done.stderr.count("trusted on first use") == 1
    assert "metadata service" not in done.stderr


def test_init_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text("mine")
    done = khgen("init", cwd=tmp_path)
    assert done.returncode == 3
    assert "exists already" in done.stderr
    assert (tmp_path / "cluster.yaml").read_text() == "mine"


def test_init_of_an_unknown_example_names_the_known_ones(tmp_path: Path) -> None:
    done = khgen("init", "nonsense", cwd=tmp_path)
    assert done.returncode == 2
    assert "rocky-stacked-ha" in done.stderr


def test_init_to_standard_output(tmp_path: Path) -> None:
    done = khgen("init", "single", "-o", "-", cwd=tmp_path)
    assert done.stdout.startswith("#")
    assert list(tmp_path.iterdir()) == []


def test_schema_is_json_schema() -> None:
    schema = json.loads(khgen("schema", cwd=ROOT).stdout)
    assert schema["title"]
    assert "controlPlaneEndpoint" in schema["properties"]


def test_the_committed_reference_is_that_of_the_model() -> None:
    said = khgen("schema", "--markdown", cwd=ROOT).stdout
    assert (ROOT / "docs" / "spec.md").read_text() == said


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    assert khgen("init", "external-etcd", cwd=tmp_path).returncode == 0
    assert khgen("render", "cluster.yaml", cwd=tmp_path).returncode == 0
    return tmp_path


def test_certs_list_shows_the_soonest_expiry_first(rendered: Path) -> None:
    lines = khgen("certs", "list", "cluster.yaml", cwd=rendered).stdout.splitlines()
    assert lines == sorted(lines)
    assert any(line.endswith("infra0  etcd-server") for line in lines), lines
    assert lines[-1].split()[-2] == "(CA)"


def test_certs_list_separates_the_founding_from_the_rest(tmp_path: Path) -> None:
    assert khgen("init", "offline-ca", cwd=tmp_path).returncode == 0
    assert khgen("render", "cluster.yaml", cwd=tmp_path).returncode == 0
    lines = khgen("certs", "list", "cluster.yaml", cwd=tmp_path).stdout.splitlines()
    assert [line.split("  ")[-1] for line in lines if "super-admin" in line] == [
        "super-admin.conf (only for the founding)"
    ]
    assert "super-admin.conf" in lines[0]


def test_certs_renew_gives_new_keys_at_the_next_render(rendered: Path) -> None:
    key, authority = "/etc/kubernetes/pki/etcd/server.key", "/etc/kubernetes/pki/etcd/ca.crt"
    before = node_files(rendered / "out", "infra0")
    assert khgen("certs", "renew", "cluster.yaml", cwd=rendered).returncode == 0
    assert khgen("render", "cluster.yaml", cwd=rendered).returncode == 0
    after = node_files(rendered / "out", "infra0")
    assert after[key] != before[key]
    assert after[authority] == before[authority]


def test_certs_renew_without_secrets_makes_none(tmp_path: Path) -> None:
    assert khgen("init", "single", cwd=tmp_path).returncode == 0
    done = khgen("certs", "renew", "cluster.yaml", cwd=tmp_path)
    assert done.returncode == 3
    assert [path.name for path in tmp_path.iterdir()] == ["cluster.yaml"]


def test_a_pki_is_imported_once(rendered: Path, tmp_path: Path) -> None:
    assert khgen("render", "cluster.yaml", "--rootfs", cwd=rendered).returncode == 0
    pki = rendered / "out/nodes"
    control_plane = next(
        p for p in pki.iterdir() if (p / "rootfs/etc/kubernetes/pki/sa.key").exists()
    )
    directory = control_plane / "rootfs/etc/kubernetes/pki"
    arguments = ("secrets", "import", "cluster.yaml", directory, "--secrets", "adopted.yaml")
    done = khgen(*arguments, cwd=tmp_path)
    # External etcd: its CA key is on no control plane, so it cannot be adopted from there.
    assert done.returncode == 1
    assert "etcd/ca.key" in done.stderr
    assert not (tmp_path / "adopted.yaml").exists()


def test_a_stacked_pki_is_imported_and_gives_the_same_trust(tmp_path: Path) -> None:
    assert khgen("init", "single", cwd=tmp_path).returncode == 0
    assert khgen("render", "cluster.yaml", "--rootfs", cwd=tmp_path).returncode == 0
    (node,) = {p.parent for p in tmp_path.glob("out/nodes/*/rootfs/etc/kubernetes/pki/sa.key")}
    arguments = ("secrets", "import", "cluster.yaml", node, "--secrets", "adopted.yaml")
    assert khgen(*arguments, cwd=tmp_path).returncode == 0
    again = khgen(*arguments, cwd=tmp_path)
    assert again.returncode == 3
    assert "exists already" in again.stderr
    trusted = (node / "ca.crt").read_text()
    adopted = ("--secrets", "adopted.yaml", "-o", "two", "--rootfs")
    done = khgen("render", "cluster.yaml", *adopted, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "two" / node.relative_to(tmp_path / "out") / "ca.crt").read_text() == trusted


def node_of(folder: Path, name: str) -> tuple[str, str, str]:
    """A node's kind and instance-id, and the key of its kubelet."""
    entry = json.loads((folder / "out/manifest.json").read_text())["nodes"][name]
    identity = node_files(folder / "out", name)["/var/lib/kubelet/pki/kubelet-client-khgen.pem"]
    return entry["kind"], entry["instanceId"], identity.decode()


def test_a_replaced_founder_joins_with_a_fresh_identity_each_time(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(SMALL_SPEC)
    assert khgen("render", "cluster.yaml", cwd=tmp_path).returncode == 0
    lives = [node_of(tmp_path, "cp2")]
    others = [node_of(tmp_path, name) for name in ("cp1", "cp3", "w1")]
    founder = (tmp_path / "out/nodes/cp1/user-data").read_bytes()
    for _ in range(2):
        done = khgen("node", "replace", "cluster.yaml", "cp2", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert khgen("render", "cluster.yaml", cwd=tmp_path).returncode == 0
        lives.append(node_of(tmp_path, "cp2"))
    assert [kind for kind, _, _ in lives] == ["founder"] + ["control-plane-joiner"] * 2
    assert len({name for _, name, _ in lives}) == len({key for _, _, key in lives}) == 3
    assert [node_of(tmp_path, name) for name in ("cp1", "cp3", "w1")] == others
    assert (tmp_path / "out/nodes/cp1/user-data").read_bytes() == founder, (
        "its list of members stays"
    )
    files = node_files(tmp_path / "out", "cp2")
    assert any(path.endswith("-join-control-plane") for path in files)


def test_only_a_node_of_the_spec_is_replaced(rendered: Path) -> None:
    before = (rendered / "external-etcd.secrets.yaml").read_text()
    done = khgen("node", "replace", "cluster.yaml", "nobody", cwd=rendered)
    assert done.returncode == 2
    assert "no node 'nobody' in the spec" in done.stderr
    assert (rendered / "external-etcd.secrets.yaml").read_text() == before
