"""What is known of a baked image: `<name>.manifest.json` beside it."""

import errno
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

FORMAT = "khgen-image-manifest/v1"
SUFFIX = ".manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A disk image with its digest, or the identity of an image that a cloud keeps."""

    file: str | None = None
    sha256: str | None = None
    size: int | None = None
    identity: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageManifest:
    """Everything in a manifest except its format and date."""

    name: str
    builder: str
    artifact: Artifact
    base: Mapping[str, str]
    contract: Mapping[str, object]
    packer: str
    accelerator: str | None
    seconds: int

    @property
    def file_name(self) -> str:
        """The manifest's own name: clouds do not share one with a disk image."""
        kind = "" if self.artifact.file is not None else f".{self.builder}"
        return f"{self.name}{kind}{SUFFIX}"


class Digest(StrEnum):
    """Whether an artifact matches its manifest."""

    OK = "ok"
    CHANGED = "changed"
    MISSING = "missing"
    ELSEWHERE = "in the cloud"

    @property
    def is_bad(self) -> bool:
        """Whether the image cannot be used."""
        return self in {Digest.CHANGED, Digest.MISSING}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedImage:
    """An image of a folder."""

    manifest: ImageManifest
    baked: datetime
    digest: Digest


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(manifest: ImageManifest, out: Path) -> None:
    """Write it beside its image, at once."""
    values = {"format": FORMAT, "baked": datetime.now(UTC).isoformat(timespec="seconds")}
    text = json.dumps(values | asdict(manifest), indent=1, sort_keys=True)
    target = out / manifest.file_name
    staged = target.with_name(f".{target.name}.new")
    staged.write_text(f"{text}\n", encoding="utf-8")
    staged.replace(target)


def listed_images(folder: Path) -> Iterator[ListedImage]:
    """The images of a folder, by name, each artifact read again and compared.

    Raises OSError for a manifest that khgen did not write so.
    """
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            yield _listed(json.loads(path.read_text(encoding="utf-8")), folder)
        except (ValueError, KeyError, TypeError, AttributeError):
            reason = "is not a manifest that this khgen wrote"
            raise OSError(errno.EINVAL, reason, str(path)) from None


def _listed(values: dict[str, Any], folder: Path) -> ListedImage:
    if values.pop("format") != FORMAT:
        raise ValueError(FORMAT)
    baked = datetime.fromisoformat(values.pop("baked"))
    artifact = Artifact(**values.pop("artifact"))
    manifest = ImageManifest(artifact=artifact, **values)
    return ListedImage(manifest=manifest, baked=baked, digest=_digest(artifact, folder))


def _digest(artifact: Artifact, folder: Path) -> Digest:
    if artifact.file is None:
        return Digest.ELSEWHERE
    path = folder / artifact.file
    if not path.is_file():
        return Digest.MISSING
    same = path.stat().st_size == artifact.size and file_digest(path) == artifact.sha256
    return Digest.OK if same else Digest.CHANGED
