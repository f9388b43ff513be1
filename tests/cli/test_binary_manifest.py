"""A manifest that is not text is refused with its place, whatever the file holds."""

from pathlib import Path

import pytest

from support.command import SMALL_SPEC, khgen

CALICO = SMALL_SPEC.splitlines()[6]


@pytest.mark.parametrize(
    "content",
    [
        b"\x7fELF\x02\x01\x01\0\0",
        b"\x89PNG\r\n\x1a\n",
        b"\x1f\x8b\x08\0\0\0\0\0",
        b"\xff\xfea\0:\0",
        b"\xef\xbb\xbf\x80",
        b"a: \xc3",
        bytes(range(256)),
    ],
)
def test_a_binary_manifest_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_bytes(content)
    spec = SMALL_SPEC.replace(CALICO, "addons: {calico: {path: m.yaml}}")
    assert spec != SMALL_SPEC
    (tmp_path / "cluster.yaml").write_text(spec)
    done = khgen("render", "cluster.yaml", "-o", "out", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "m.yaml:1:" in done.stderr
    assert not (tmp_path / "out").exists()
