"""What a render records of the cluster, and what the next one may not contradict."""

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.command import SMALL_SPEC, khgen
from support.rendered_out import node_files
from support.sealing import sealed

SECRETS = "small.secrets.yaml"
SPEC = SMALL_SPEC
NODES_PLACE = f"cluster.yaml:{SPEC.partition('nodes:')[0].count(chr(10)) + 1}:1"
RENAMED = SPEC.replace("cp1", "mn0").replace("cp2", "mn1").replace("cp3", "mn2")
MOVED = SPEC.replace("10.244.0.0/16", "10.245.0.0/16").replace("port: 8443", "port: 9443")
VERSION_PLACE = f"cluster.yaml:{SPEC.count(chr(10)) + 1}:23"
"""Where `kubernetes` writes the version: in the line after the small spec."""
CONFIRMED = "--no-machine-has-booted"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a cluster that was rendered once."""
    write(tmp_path, SPEC)
    done = khgen("render", "cluster.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def write(folder: Path, spec: str, *more: str) -> None:
    (folder / "cluster.yaml").write_text(spec + "".join(f"{line}\n" for line in more))


def kubernetes(version: str) -> str:
    return f"kubernetes: {{version: {version}}}"


def secrets_of(folder: Path) -> dict[str, Any]:
    document = yaml.safe_load((folder / SECRETS).read_text())
    assert isinstance(document, dict)
    return document


def forget_the_record(folder: Path) -> None:
    """Make the secrets file one of before there was a record."""
    document = secrets_of(folder)
    for key in ("identity", "kubernetes", "refounded"):
        del document[key]
    (folder / SECRETS).write_text(sealed(document))


def kinds(folder: Path) -> dict[str, str]:
    nodes = json.loads((folder / "out/manifest.json").read_text())["nodes"]
    return {name: entry["kind"] for name, entry in nodes.items()}


def instances(folder: Path) -> dict[str, str]:
    nodes = json.loads((folder / "out/manifest.json").read_text())["nodes"]
    return {name: entry["instanceId"] for name, entry in nodes.items()}


def test_the_first_render_records_the_cluster(folder: Path) -> None:
    document = secrets_of(folder)
    assert document["identity"] == {
        "podSubnet": "10.244.0.0/16",
        "serviceSubnet": "10.96.0.0/16",
        "dnsDomain": "cluster.local",
        "endpoint": "10.9.0.2:8443",
        "etcdTopology": "stacked",
        "etcdDataDir": "/var/lib/etcd",
        "algorithm": "ECDSA-P256",
        "clusterName": "kubernetes",
        "encryptionAtRest": "false",
    }
    assert document["kubernetes"] == "1.29.6"


@pytest.mark.parametrize(
    "arguments",
    [
        ("render",), ("render", "--check"), ("render", "--node", "w1"), ("certs", "list"),
        ("certs", "renew"), ("node", "replace", "cp1"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_all_contradictions_are_errors_with_both_values(
    folder: Path, arguments: tuple[str, ...]
) -> None:
    write(folder, MOVED)
    before = (folder / SECRETS).read_text(), (folder / "out/manifest.json").read_text()
    words = 1 if arguments[0] == "render" else 2
    done = khgen(*arguments[:words], "cluster.yaml", *arguments[words:], cwd=folder)
    assert done.returncode == 1
    assert done.stdout == ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("cluster.yaml:")]
    assert errors == [
        (
            "cluster.yaml:4:1: error: the control-plane endpoint is 10.9.0.2:9443 here, but"
            " 10.9.0.2:8443 in the secrets file"
        ),
        (
            "cluster.yaml:5:25: error: the pod network is 10.245.0.0/16 here, but"
            " 10.244.0.0/16 in the secrets file"
        ),
    ]
    assert "nodes and pods have addresses in it: a change needs a new cluster" in done.stderr
    assert done.stderr.splitlines()[-1] == "2 errors; nothing was written"
    assert before == ((folder / SECRETS).read_text(), (folder / "out/manifest.json").read_text())


def test_a_contradiction_is_found_with_secrets_from_standard_input(folder: Path) -> None:
    write(folder, MOVED)
    text = (folder / SECRETS).read_text()
    done = khgen("render", "cluster.yaml", "--secrets", "-", cwd=folder, stdin=text)
    assert done.returncode == 1
    assert done.stderr.count("in the secrets file") == 2


def test_a_record_that_was_corrected_by_hand_counts(folder: Path) -> None:
    write(folder, SPEC, "etcd: {dataDir: /data/etcd}")
    done = khgen("render", "cluster.yaml", cwd=folder)
    assert done.returncode == 1
    assert "set identity.etcdDataDir in the secrets file" in done.stderr
    text = (folder / SECRETS).read_text()
    (folder / SECRETS).write_text(text.replace("/var/lib/etcd", "/data/etcd"))
    done = khgen("node", "replace", "cluster.yaml", "cp1", cwd=folder)
    assert done.returncode == 1
    assert "does not match its digest" in done.stderr
    done = khgen("secrets", "seal", "cluster.yaml", "--content-is-right", cwd=folder)
    assert (done.returncode, done.stdout) == (0, f"{SECRETS}: sealed with a digest\n")
    assert "identity.etcdDataDir: /data/etcd\n" in done.stderr
    done = khgen("node", "replace", "cluster.yaml", "cp1", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    done = khgen("render", "cluster.yaml", "--node", "cp1", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")


def test_secrets_of_before_are_extended_at_the_next_render(folder: Path) -> None:
    whole = (folder / SECRETS).read_text()
    forget_the_record(folder)
    before = (folder / SECRETS).read_text()
    assert khgen("render", "cluster.yaml", "--check", cwd=folder).returncode == 0
    assert (folder / SECRETS).read_text() == before, "a check writes nothing"
    assert khgen("render", "cluster.yaml", cwd=folder).returncode == 0
    assert (folder / SECRETS).read_text() == whole
    assert khgen("render", "cluster.yaml", cwd=folder).stderr == ""


def test_secrets_of_before_from_standard_input_are_warned_of(folder: Path) -> None:
    forget_the_record(folder)
    text = (folder / SECRETS).read_text()
    arguments = ("render", "cluster.yaml", "--secrets", "-")
    done = khgen(*arguments, cwd=folder, stdin=text)
    assert done.returncode == 0
    assert "<stdin>:1:1: warning: secrets from standard input: the identity and" in done.stderr
    assert khgen(*arguments, "--check", cwd=folder, stdin=text).stderr == ""
    assert khgen(*arguments, "--strict", cwd=folder, stdin=text).returncode == 1
    assert (folder / SECRETS).read_text() == text


def test_secrets_that_cannot_be_written_are_warned_of(folder: Path) -> None:
    forget_the_record(folder)
    # Where a rename onto it is refused, also to root: one file that is mounted by itself.
    script = (
        f"mount --bind {SECRETS} {SECRETS} && exec {sys.executable} -m khgen render cluster.yaml"
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    if "unshare failed" in done.stderr or "permission denied" in done.stderr.lower():
        pytest.skip("no mount namespaces here")
    assert done.returncode == 0, done.stderr
    assert f"{SECRETS}:1:1: warning: the secrets file cannot be written (" in done.stderr
    assert "rendered 4 nodes" in done.stdout
    assert "identity" not in secrets_of(folder)


def test_a_render_that_fails_records_nothing(folder: Path) -> None:
    forget_the_record(folder)
    before = (folder / SECRETS).read_text()
    write(folder, SPEC, "userData: {datasource: ec2, maxBytes: 2000}")
    assert khgen("render", "cluster.yaml", cwd=folder).returncode == 1
    assert (folder / SECRETS).read_text() == before


def test_a_first_render_that_fails_fixes_no_founders(tmp_path: Path) -> None:
    write(tmp_path, SPEC, "userData: {datasource: ec2, maxBytes: 2000}")
    assert khgen("render", "cluster.yaml", cwd=tmp_path).returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["cluster.yaml"]


def test_a_new_version_is_a_warning_once(folder: Path) -> None:
    write(folder, SPEC, kubernetes("1.30.2"))
    strict = khgen("render", "cluster.yaml", "--strict", cwd=folder)
    assert strict.returncode == 1
    assert secrets_of(folder)["kubernetes"] == "1.29.6", "nothing was written"
    done = khgen("render", "cluster.yaml", cwd=folder)
    assert done.returncode == 0
    assert f"{VERSION_PLACE}: warning: Kubernetes 1.30.2 after 1.29.6: running" in done.stderr
    assert "kubectl apply -f update.yaml" in done.stderr
    assert secrets_of(folder)["kubernetes"] == "1.30.2"
    assert khgen("render", "cluster.yaml", "--strict", cwd=folder).stderr == ""


@pytest.mark.parametrize("version", ["1.31.1", "1.34.2"])
def test_a_version_that_kubeadm_does_not_reach_is_an_error(folder: Path, version: str) -> None:
    write(folder, SPEC, kubernetes("1.29.9"))
    assert khgen("render", "cluster.yaml", cwd=folder).returncode == 0
    write(folder, SPEC, kubernetes(version))
    done = khgen("render", "cluster.yaml", cwd=folder)
    assert done.returncode == 1
    assert f"{VERSION_PLACE}: error: Kubernetes {version} is more than one minor" in done.stderr
    assert secrets_of(folder)["kubernetes"] == "1.29.9"


def test_back_one_minor_is_an_error(folder: Path) -> None:
    write(folder, SPEC, kubernetes("1.30.2"))
    assert khgen("render", "cluster.yaml", cwd=folder).returncode == 0
    write(folder, SPEC)
    done = khgen("render", "cluster.yaml", cwd=folder)
    assert done.returncode == 1
    assert "Kubernetes 1.29.6 is below 1.30.2, the last rendered version" in done.stderr
    assert "cluster.yaml:1:1:" in done.stderr, "the key is absent: its root"


def test_the_render_that_fixes_the_founders_says_so(tmp_path: Path) -> None:
    write(tmp_path, SPEC)
    line = (
        "founders fixed: cp1, cp2, cp3; until a machine has booted, khgen secrets refound"
        " cluster.yaml changes them"
    )
    assert line in khgen("render", "cluster.yaml", cwd=tmp_path).stdout.splitlines()
    assert "founders fixed" not in khgen("render", "cluster.yaml", cwd=tmp_path).stdout


def test_the_render_that_fixes_the_founders_says_so_as_json(tmp_path: Path) -> None:
    write(tmp_path, SPEC)
    arguments = ("render", "cluster.yaml", "--format", "json")
    names = ["cp1", "cp2", "cp3"]
    for more, fixed in ((("--check",), False), ((), True), ((), False)):
        said = json.loads(khgen(*arguments, *more, cwd=tmp_path).stdout)
        assert said["founders"] == {"names": names, "fixed": fixed}


def test_control_planes_that_are_renamed_after_the_first_render(folder: Path) -> None:
    before = instances(folder)
    write(folder, RENAMED)
    done = khgen("render", "cluster.yaml", cwd=folder)
    assert done.returncode == 1
    assert f"{NODES_PLACE}: error: the cluster has no founder: the secrets" in done.stderr
    assert "khgen secrets refound" in done.stderr

    certificate = secrets_of(folder)["authorities"]
    done = khgen("secrets", "refound", "cluster.yaml", CONFIRMED, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "the founders are mn0, mn1, mn2; next: khgen render cluster.yaml" in done.stdout
    assert secrets_of(folder)["authorities"] == certificate

    done = khgen("render", "cluster.yaml", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert kinds(folder) == {"mn0": "founder", "mn1": "founder", "mn2": "founder", "w1": "worker"}
    assert instances(folder)["w1"] != before["w1"]


def test_a_rehearsal_that_nobody_founds_is_not_begun(folder: Path) -> None:
    write(folder, RENAMED)
    done = khgen("rehearse", "cluster.yaml", cwd=folder)
    assert done.returncode == 1
    assert "the cluster has no founder" in done.stderr


def test_refounding_records_the_identity_anew(folder: Path) -> None:
    write(folder, MOVED, kubernetes("1.31.1"))
    assert khgen("secrets", "refound", "cluster.yaml", CONFIRMED, cwd=folder).returncode == 0
    assert secrets_of(folder)["identity"]["podSubnet"] == "10.245.0.0/16"
    done = khgen("render", "cluster.yaml", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_even_number_of_founders_is_refused_as_at_the_first_render(folder: Path) -> None:
    before = (folder / SECRETS).read_text()
    write(folder, SPEC.replace("  - {name: cp3, role: control-plane, address: 10.9.0.13}\n", ""))
    done = khgen("secrets", "refound", "cluster.yaml", CONFIRMED, cwd=folder)
    assert done.returncode == 1
    assert f"{NODES_PLACE}: error: 2 etcd members" in done.stderr
    assert (folder / SECRETS).read_text() == before


def test_refounding_wants_a_confirmation(folder: Path) -> None:
    before = (folder / SECRETS).read_text()
    done = khgen("secrets", "refound", "cluster.yaml", cwd=folder, stdin="small\n")
    assert done.returncode == 2
    assert "refound starts the cluster over" in done.stderr
    assert CONFIRMED in done.stderr
    assert (folder / SECRETS).read_text() == before


def test_refounding_wants_the_file_itself(folder: Path) -> None:
    text = (folder / SECRETS).read_text()
    arguments = ("secrets", "refound", "cluster.yaml", CONFIRMED, "--secrets", "-")
    done = khgen(*arguments, cwd=folder, stdin=text)
    assert done.returncode == 2
    assert "it needs the file itself" in done.stderr


@pytest.mark.parametrize(("answer", "code", "count"), [("small", 0, 1), ("smal", 2, 0), ("", 2, 0)])
def test_the_clusters_name_confirms_it_on_a_terminal(
    folder: Path, answer: str, code: int, count: int
) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "khgen", "secrets", "refound", "cluster.yaml"],
        cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs,
    ) as process:  # fmt: skip
        os.close(theirs)
        said = ""
        while "type the cluster's name (small): " not in said:
            assert select.select([ours], [], [], 60)[0], said
            said += os.read(ours, 4096).decode()
        os.write(ours, f"{answer}\n".encode())
        assert process.wait(60) == code
    os.close(ours)
    assert secrets_of(folder)["refounded"] == count


@pytest.mark.parametrize("more", [(), ("--check",), ("--node", "w1"), ("--secrets", "other.yaml")])
def test_a_lost_secrets_file_is_never_made_anew(folder: Path, more: tuple[str, ...]) -> None:
    (folder / SECRETS).unlink()
    manifest = (folder / "out/manifest.json").read_text()
    done = khgen("render", "cluster.yaml", *more, cwd=folder)
    name = more[1] if "--secrets" in more else SECRETS
    assert done.returncode == 1
    assert (
        f"out/manifest.json:1:1: error: out holds a render of cluster 'small', but its secrets file"
        f" {name} is missing"
    ) in done.stderr
    assert "khgen show cp1 -o out --write cp1-files" in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["cluster.yaml", "out"]
    assert (folder / "out/manifest.json").read_text() == manifest


def test_the_hint_for_a_lost_secrets_file_works(folder: Path) -> None:
    before = node_files(folder / "out", "cp1")["/etc/kubernetes/pki/ca.crt"]
    (folder / SECRETS).unlink()
    printed = khgen("render", "cluster.yaml", cwd=folder).stderr
    show, secrets = (
        printed.partition("adopt its CAs: khgen ")[2].partition(";")[0].split(", then khgen ")
    )
    assert khgen(*show.split(), cwd=folder).returncode == 0
    done = khgen(*secrets.split(), cwd=folder)
    assert done.returncode == 0
    assert "founders fixed: cp1, cp2, cp3; until" in done.stdout
    assert khgen("render", "cluster.yaml", cwd=folder).returncode == 0
    assert node_files(folder / "out", "cp1")["/etc/kubernetes/pki/ca.crt"] == before
    assert secrets_of(folder)["identity"]["endpoint"] == "10.9.0.2:8443"


def test_without_ca_keys_in_the_output_only_a_copy_helps(tmp_path: Path) -> None:
    write(tmp_path, SPEC, "pki: {caKeys: offline}")
    assert khgen("render", "cluster.yaml", cwd=tmp_path).returncode == 0
    (tmp_path / SECRETS).unlink()
    done = khgen("render", "cluster.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert f"hint: restore {SECRETS} from a copy (no node in out has all CA keys;" in done.stderr


def test_a_damaged_manifest_may_be_this_clusters(folder: Path) -> None:
    (folder / SECRETS).unlink()
    (folder / "out/manifest.json").write_text("{")
    done = khgen("render", "cluster.yaml", cwd=folder)
    assert done.returncode == 1
    assert "out holds a render of some cluster" in done.stderr


def test_the_output_of_another_cluster_is_no_reason(folder: Path) -> None:
    write(folder, SPEC.replace("{name: small}", "{name: other}"))
    done = khgen("render", "cluster.yaml", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "other.secrets.yaml").is_file()
    assert (folder / SECRETS).is_file()
