"""Reading the spec and the manifests beside it."""

from pathlib import Path

import pytest

from khgen.disk.spec_file import find_spec, read_manifests, read_repository_keys
from support.spec_texts import loaded

BOTH = {
    "addons.calico": {"path": "calico.yaml"},
    "addons.manifests": [{"name": "more", "path": "sub/more.yaml"}],
}


def test_manifests_are_found_beside_the_spec(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "calico.yaml").write_bytes(b"a: 1\n")
    (tmp_path / "sub" / "more.yaml").write_bytes(b"\xff")
    spec = loaded(BOTH).spec
    assert spec is not None
    found, missing = read_manifests(spec, tmp_path)
    assert found == {"calico.yaml": b"a: 1\n", "sub/more.yaml": b"\xff"}
    assert missing == ()


def test_each_missing_manifest_is_a_finding_at_its_name(tmp_path: Path) -> None:
    spec = loaded(BOTH).spec
    assert spec is not None
    _, missing = read_manifests(spec, tmp_path)
    assert [finding.path for finding in missing] == [
        ("addons", "calico", "path"),
        ("addons", "manifests", 0, "path"),
    ]


def test_a_name_that_no_file_can_have_is_a_finding_too(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("folder", "x" * 300, "loop"):
        spec = loaded({"addons.calico": {"path": name}}).spec
        assert spec is not None
        _, (finding,) = read_manifests(spec, tmp_path)
        assert finding.path == ("addons", "calico", "path")
        assert "cannot be read: " in finding.message
        spec = loaded({"install.dockerRepositoryKey": {"path": name}}).spec
        assert spec is not None
        _, (finding,) = read_repository_keys(spec, tmp_path)
        assert finding.path == ("install", "dockerRepositoryKey", "path")


def test_other_failures_to_read_pass_through(tmp_path: Path) -> None:
    unreadable = Path("/proc/self/mem")
    if not unreadable.exists():
        pytest.skip("needs Linux, for a file that nobody can read from its beginning")
    spec = loaded({"addons.calico": {"path": str(unreadable)}}).spec
    assert spec is not None
    with pytest.raises(OSError, match="Input/output error"):
        read_manifests(spec, tmp_path)
    with pytest.raises(FileNotFoundError):
        find_spec(tmp_path / "cluster.yaml")


ARMOUR = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQIN\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"


def test_signing_keys_are_read_from_beside_the_spec(tmp_path: Path) -> None:
    (tmp_path / "docker.asc").write_text(ARMOUR)
    spec = loaded({"install.dockerRepositoryKey": {"path": "docker.asc"}}).spec
    assert spec is not None
    read, wrong = read_repository_keys(spec, tmp_path)
    assert wrong == ()
    assert read.install.docker_repository_key is not None
    assert read.install.docker_repository_key.text == ARMOUR
    assert read.install.kubernetes_repository_key is None


def test_a_key_that_is_missing_or_no_armoured_key_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "docker.gpg").write_bytes(b"\x99\x02")
    keys = {
        "install.dockerRepositoryKey": {"path": "docker.gpg"},
        "install.kubernetesRepositoryKey": {"path": "none.asc"},
    }
    spec = loaded(keys).spec
    assert spec is not None
    _, wrong = read_repository_keys(spec, tmp_path)
    assert [(finding.path, finding.message) for finding in wrong] == [
        (("install", "kubernetesRepositoryKey", "path"), "there is no file 'none.asc'"),
        (
            ("install", "dockerRepositoryKey", "path"),
            "'docker.gpg' is not an ASCII-armored OpenPGP key",
        ),
    ]
    assert "--armor --export" in wrong[1].hint
