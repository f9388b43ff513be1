"""Reading the spec and the manifests beside it."""

from pathlib import Path

import pytest

from khgen.spec_file import read_manifests, read_spec
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


def test_other_failures_to_read_pass_through(tmp_path: Path) -> None:
    (tmp_path / "calico.yaml").mkdir()
    spec = loaded({"addons.calico": {"path": "calico.yaml"}}).spec
    assert spec is not None
    with pytest.raises(IsADirectoryError):
        read_manifests(spec, tmp_path)
    with pytest.raises(FileNotFoundError):
        read_spec(tmp_path / "cluster.yaml")
