"""Container images from scratch, as archives for `ctr images import` (Docker's image spec 1.2)."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FOLDERS = ("tmp", "proc", "sys", "dev", "etc", "run", "var")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image's name, its programs by path, links, and what it runs."""

    name: str
    files: Mapping[str, Path]
    links: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()


class _Hashing(io.RawIOBase):
    """Hashes what is written through it."""

    def __init__(self, target: io.BufferedWriter) -> None:
        self._target = target
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.digest.update(data)
        return self._target.write(data)


def write_archive(image: Image, path: Path) -> None:
    """Write the image's archive."""
    layer = path.with_suffix(".layer")
    digest = _write_layer(image, layer)
    config = json.dumps(_config(image, digest)).encode()
    name = hashlib.sha256(config).hexdigest()
    manifest = {
        "Config": f"{name}.json",
        "RepoTags": [image.name],
        "Layers": [f"{digest}/layer.tar"],
    }
    with tarfile.open(path, "w") as archive:
        _add(archive, f"{name}.json", config)
        archive.add(layer, arcname=f"{digest}/layer.tar")
        _add(archive, "manifest.json", json.dumps([manifest]).encode())
    layer.unlink()


def _write_layer(image: Image, path: Path) -> str:
    with path.open("wb") as file:
        hashing = _Hashing(file)
        with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.GNU_FORMAT) as layer:
            for folder in sorted({*FOLDERS, *_parents((*image.files, *image.links))}):
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
                layer.addfile(entry)
            _add(layer, "etc/passwd", b"root:x:0:0::/:/bin/sh\n")
            for target, source in sorted(image.files.items()):
                entry = tarfile.TarInfo(target.strip("/"))
                entry.size, entry.mode = source.stat().st_size, 0o755
                with source.open("rb") as content:
                    layer.addfile(entry, content)
            for link, target in sorted(image.links.items()):
                entry = tarfile.TarInfo(link.strip("/"))
                entry.type, entry.linkname = tarfile.SYMTYPE, target
                layer.addfile(entry)
        return hashing.digest.hexdigest()


def _parents(paths: Iterable[str]) -> set[str]:
    return {
        str(parent) for path in paths for parent in Path(path.strip("/")).parents if parent.name
    }


def _config(image: Image, digest: str) -> dict[str, object]:
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    entry = {"Entrypoint": list(image.entrypoint)} if image.entrypoint else {}
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": [path], **entry},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created_by": "khgen rehearse"}],
    }


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
