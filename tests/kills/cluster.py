"""The cluster that killed commands work on: its spec, and what of its folder must always hold."""

import base64
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from khgen.disk.locks import TEMPORARY_NAME
from khgen.disk.secrets_file import load
from khgen.pki.secrets import Secrets

CLUSTER = "killed"
LISTINGS = {"seeds": "khgen-seeds.json", "libvirt": "khgen-libvirt.json"}
KEY = b"PRIVATE KEY-----"
SHARED_MODES = 0o077
KEY_TEXTS = (KEY, *(base64.b64encode(b"." * shift + KEY)[4:-4] for shift in range(3)))
"""How a key's PEM looks in a file, and in base64 at each of its three alignments."""


def spec_text(nodes: int, pool: str) -> str:
    """A cluster.yaml with three control planes; the time pool is in every node's user-data."""
    rows = []
    for number in range(nodes):
        role = "control-plane" if number < 3 else "worker"
        address = f"10.32.{(number + 10) // 256}.{(number + 10) % 256}"
        rows.append(f"  - {{name: n{number:04}, role: {role}, address: {address}}}")
    return "\n".join(
        (
            "apiVersion: khgen/v1alpha1",
            "kind: Cluster",
            f"metadata: {{name: {CLUSTER}}}",
            "networking: {podSubnet: 172.16.0.0/12, serviceSubnet: 192.168.0.0/16}",
            "controlPlaneEndpoint: {vip: 10.32.0.2, port: 8443}",
            f'os: {{family: debian, release: "12", timeSync: {{program: chrony, pools: [{pool}]}}}}',
            "nodes:",
            *rows,
            "",
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """The operator's folder: the spec, the secrets file, and what commands make of them."""

    path: Path
    nodes: int

    @property
    def out(self) -> Path:
        """What `khgen render` writes."""
        return self.path / "out"

    @property
    def secrets_path(self) -> Path:
        """The cluster's identity."""
        return self.path / f"{CLUSTER}.secrets.yaml"

    def write_spec(self, pool: str) -> None:
        """Write cluster.yaml with that time pool."""
        text = spec_text(self.nodes, pool)
        (self.path / "cluster.yaml").write_text(text, encoding="utf-8")

    def secrets(self) -> Secrets | None:
        """The whole secrets file, or None where there is none."""
        if not self.secrets_path.exists():
            return None
        assert stat.S_IMODE(self.secrets_path.stat().st_mode) == 0o600
        loaded = load(self.secrets_path)
        assert loaded.secrets is not None, [problem.message for problem in loaded.problems]
        return loaded.secrets

    def identity(self) -> bytes | None:
        """What of the secrets never changes, or None where there are none."""
        secrets = self.secrets()
        if secrets is None:
            return None
        authorities = sorted(
            (name.value, authority.certificate.serial_number)
            for name, authority in secrets.authorities.items()
        )
        return repr((secrets.seed, authorities)).encode()

    def leftovers(self) -> list[str]:
        """The temporary files and folders that are there."""
        return sorted(
            entry.name for entry in self.path.iterdir() if TEMPORARY_NAME.fullmatch(entry.name)
        )

    def listings(self) -> Mapping[str, bytes | None]:
        """The file by which each folder is known, and the files beside others; None: not there."""
        found = {name: _content(self.path / name / file) for name, file in LISTINGS.items()}
        beside = {
            f"terraform/{path.name}": path.read_bytes()
            for path in (self.path / "terraform").glob("*")
            if not TEMPORARY_NAME.fullmatch(path.name)
        }
        return {"out": _content(self.out / "manifest.json"), **found, **beside}

    def check_whole(self) -> None:
        """Fail unless every folder holds all that its listing names, and nothing else."""
        if self.out.exists():
            _check_rendered(self.out)
        for name, file in LISTINGS.items():
            if (self.path / name).exists():
                _check_listed(self.path / name, file)

    def check_modes(self) -> None:
        """Fail if a file that others may read or change holds a private key."""
        seen: set[int] = set()
        for folder, _, files in os.walk(self.path):
            for name in files:
                path = f"{folder}/{name}"
                status = os.lstat(path)
                if status.st_mode & SHARED_MODES and status.st_ino not in seen:
                    seen.add(status.st_ino)
                    content = Path(path).read_bytes()
                    assert not any(text in content for text in KEY_TEXTS), path


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _check_rendered(out: Path) -> None:
    """Hold every node's files against the manifest's digests, and count the others."""
    manifest: dict[str, Any] = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    entries = manifest["nodes"]
    assert sorted(entries) == sorted(path.name for path in (out / "nodes").iterdir())
    assert (out / "admin.conf").stat().st_size
    json.loads((out / "spec.json").read_text(encoding="utf-8"))
    counts: dict[tuple[str, str], set[int]] = {}
    for name, entry in entries.items():
        node = out / "nodes" / name
        assert _digest(node / "user-data") == entry["userData"]["sha256"], node
        assert _digest(node / "meta-data") == entry["metaDataSha256"], node
        files = sum(len(files) for _, _, files in os.walk(node))
        counts.setdefault((entry["role"], entry["kind"]), set()).add(files)
    assert all(len(each) == 1 for each in counts.values()), counts


def _check_listed(folder: Path, listing: str) -> None:
    files = json.loads((folder / listing).read_text(encoding="utf-8"))["files"]
    assert set(_files(folder)) == {*files, listing}
    for name, entry in files.items():
        assert _digest(folder / name) == entry["sha256"], name


def _files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if not path.is_dir():
            yield str(path.relative_to(folder))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
