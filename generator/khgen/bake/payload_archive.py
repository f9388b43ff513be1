"""The archive that is unpacked in the image: the same bytes for the same payload."""

import io
import json
import shlex
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from khgen.files.golden_image import ImagePayload


@dataclass(frozen=True, slots=True, kw_only=True)
class Preload:
    """The container images that a bake puts into containerd's store."""

    images: tuple[str, ...]
    """Pulled, unless an archive brought them."""
    kubeadm: tuple[str, ...]
    """How kubeadm is asked for its own; empty where those are not wanted."""
    archives: tuple[Path, ...]


def write_payload(payload: ImagePayload, preload: Preload, target: Path) -> None:
    """Write it: rootfs/ is for the image, bake/ for packer/provision alone."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for file in sorted(payload.files, key=lambda file: file.path):
            name = f"rootfs/{file.path.relative_to('/')}"
            _add(archive, name, file.content.encode(), file.mode)
        for name, text in _instructions(payload, preload):
            _add(archive, f"bake/{name}", text.encode(), 0o600)
        for number, path in enumerate(preload.archives):
            entry = _entry(f"bake/archives/{number:02}-{path.name}", 0o600)
            entry.size = path.stat().st_size
            with path.open("rb") as content:
                archive.addfile(entry, content)


def _instructions(payload: ImagePayload, preload: Preload) -> Iterator[tuple[str, str]]:
    values = sorted(payload.environment.items())
    yield "environment", "".join(f"{name}={shlex.quote(value)}\n" for name, value in values)
    yield "steps", "".join(f"{name}\n" for name in payload.steps)
    yield "images", "".join(f"{name}\n" for name in preload.images)
    yield "kubeadm", "".join(f"{argument}\n" for argument in preload.kubeadm)
    yield "contract.json", json.dumps(dict(payload.contract), indent=1, sort_keys=True) + "\n"


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = _entry(name, mode)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _entry(name: str, mode: int) -> tarfile.TarInfo:
    """Root's, and without a time: unpacking sets its own."""
    entry = tarfile.TarInfo(name)
    entry.mode, entry.uname, entry.gname = mode, "root", "root"
    return entry
