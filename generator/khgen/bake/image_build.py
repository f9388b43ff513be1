"""A bake from start to end, and the manifest of the image that it makes.

A bake makes a work folder, runs `packer init` and `packer build`, and moves the image to its place.
The manifest, `<name>.manifest.json`, stands beside the image.
"""

import errno
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from khgen.bake.packer import (
    BOOT_TIMEOUTS,
    Accelerator,
    BakeError,
    Builder,
    Hypervisor,
    Packer,
    PackerLine,
    installed_packer,
    login_user,
    qemu_cpu,
    working_qemu,
)
from khgen.bake.work_folder import Preload, WorkFolder, new_login, private_folders, work_folder
from khgen.files.golden_image import ImagePayload
from khgen.plan.cluster_plan import Plan
from khgen.spec.model.machine import ImageSpec

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
        """The manifest's file name; the name for a cloud's image has the builder in it."""
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
    """An image that a folder's manifest describes."""

    manifest: ImageManifest
    baked: datetime
    digest: Digest


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(manifest: ImageManifest, out: Path) -> None:
    """Write the manifest beside its image, in one step."""
    values = {"format": FORMAT, "baked": datetime.now(UTC).isoformat(timespec="seconds")}
    text = json.dumps(values | asdict(manifest), indent=1, sort_keys=True)
    target = out / manifest.file_name
    staged = target.with_name(f".{target.name}.new")
    staged.write_text(f"{text}\n", encoding="utf-8")
    staged.replace(target)


def listed_images(folder: Path) -> Iterator[ListedImage]:
    """The images of a folder, by name; each artifact is read and its digest compared.

    Raises OSError for a manifest that is not as khgen writes it.
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


Show = Callable[[str, str], None]
"""Prints Packer's output as it comes: its kind (say, message or error) and the unchanged text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bake:
    """A bake: its image, its builder and its folders."""

    plan: Plan
    image: ImageSpec
    folder: Path
    """The folder of the spec; paths in the spec are relative to it."""
    payload: ImagePayload
    builder: Builder
    accelerator: Accelerator | None
    """None means the fastest that works on this machine."""
    settings: Sequence[str]
    """Further variables for the templates, as name=value; they override khgen's."""
    cache: Path
    """Where Packer keeps the base images that it downloaded."""

    @property
    def name(self) -> str:
        """The image's name."""
        return f"{self.plan.spec.metadata.name}-{self.plan.version}"

    @property
    def preload(self) -> Preload:
        """The container images that go into it."""
        own = (self.plan.images.pause, self.plan.images.etcd) if self.image.preload else ()
        repository = self.plan.spec.kubernetes.image_repository
        asked = (f"--kubernetes-version={self.plan.version}", f"--image-repository={repository}")
        return Preload(
            images=tuple(dict.fromkeys((*own, *self.payload.container_images))),
            kubeadm=asked if self.image.preload else (),
            archives=tuple(self.folder / path for path in self.image.preload_archives),
        )

    @property
    def base(self) -> str:
        """URL or absolute path of the base image."""
        url = "" if self.image.base is None else self.image.base.url
        return url if "://" in url else str((self.folder / url).resolve())

    @property
    def checksum(self) -> str:
        """The base image's digest, as Packer reads it."""
        return "" if self.image.base is None else self.image.base.checksum


@dataclass(slots=True)
class _Listener:
    """Prints Packer's output, and keeps the errors and artifacts in it."""

    show: Show
    logged_in: bool = False
    errors: list[str] = field(default_factory=list)
    artifacts: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __call__(self, text: str, line: PackerLine | None) -> None:
        if line is None:
            self.show("message", text)
        elif line.shown is not None:
            self.logged_in |= "Connected to SSH" in line.shown
            self.show(line.data[0], line.shown)
        elif line.kind == "error":
            self.errors.extend(line.data)
        elif line.artifact is not None:
            self.artifacts[line.artifact[0]] = line.artifact[1]


def validate(bake: Bake, show: Show) -> Packer:
    """Let Packer check the templates with this spec's variables; needs no hypervisor."""
    with private_folders(None) as work:
        packer = installed_packer(work.temporary, work.path / "cache")
        prepare(bake, work, packer, Hypervisor())
        _init(packer, work, show)
        _run(packer, "validate", bake, work, _Listener(show))
    return packer


def build(bake: Bake, out: Path, show: Show) -> ImageManifest:
    """Bake the image into `out` and return its manifest; a bake that fails leaves no file."""
    started = time.monotonic()
    with work_folder(out) as work:
        # A base image that was downloaded is kept for the next bake.
        downloads = bake.cache if "://" in bake.base else work.path / "cache"
        packer = installed_packer(work.temporary, downloads)
        qemu = None
        if bake.builder is Builder.QEMU:
            qemu = working_qemu(bake.accelerator, work.temporary)
        prepare(bake, work, packer, qemu or Hypervisor())
        _init(packer, work, show)
        listener = _Listener(show)
        _run(packer, "build", bake, work, listener)
        manifest = ImageManifest(
            name=bake.name,
            builder=bake.builder,
            artifact=_artifact(bake, work, listener),
            base=_base(bake),
            contract=json.loads(work.report.read_text(encoding="utf-8")),
            packer=str(packer.version),
            accelerator=None if qemu is None else qemu.accelerator,
            seconds=round(time.monotonic() - started),
        )
        if manifest.artifact.file is not None:
            (work.output / manifest.artifact.file).replace(out / manifest.artifact.file)
        write_manifest(manifest, out)
    return manifest


def prepare(bake: Bake, work: WorkFolder, packer: Packer, qemu: Hypervisor) -> None:
    """Place everything that Packer reads."""
    work.place_templates(plugins=packer.takes_plugins)
    work.place_payload(bake.payload, bake.preload)
    values = {
        "image_name": bake.name,
        "payload": str(work.payload),
        "report": str(work.report),
        **_builder_values(bake, work, qemu),
    }
    work.place_variables(values)


def _builder_values(bake: Bake, work: WorkFolder, qemu: Hypervisor) -> Mapping[str, object]:
    user = {"ssh_username": login_user(bake.builder, bake.plan.distribution.family)}
    if bake.builder is not Builder.QEMU:
        return user
    work.place_login(new_login(bake.name))
    return {
        "base_url": bake.base,
        "base_checksum": bake.checksum,
        "disk_size": bake.image.disk_size,
        "output_directory": str(work.output),
        "seed_files": [str(path) for path in work.seed],
        **user,
        "ssh_private_key_file": str(work.key),
        "ssh_timeout": BOOT_TIMEOUTS[qemu.accelerator],
        "accelerator": qemu.accelerator,
        "qemu_binary": qemu.program,
        "qemu_cpu": qemu_cpu(qemu.accelerator),
        "console_log": str(work.console),
    }


def _init(packer: Packer, work: WorkFolder, show: Show) -> None:
    if packer.takes_plugins:
        code = packer.run(["init", "-machine-readable", str(work.templates)], _Listener(show))
        if code:
            hint = "it downloads the plugins of packer/plugins.pkr.hcl from GitHub"
            raise BakeError(f"packer init ended with {code}", hint)  # noqa: EM102


def _run(packer: Packer, command: str, bake: Bake, work: WorkFolder, listener: _Listener) -> None:
    arguments = [
        *(command, "-machine-readable", f"-only={bake.builder}.node"),
        f"-var-file={work.variables}",
        *(word for setting in bake.settings for word in ("-var", setting)),
        str(work.templates),
    ]
    if code := packer.run(arguments, listener):
        said = "".join(f"\n{error.strip()}" for error in listener.errors)
        message = f"packer {command} ended with {code}{said}"
        raise BakeError(message, "" if listener.logged_in else "\n".join(_console_end(work)))


def _console_end(work: WorkFolder) -> Iterator[str]:
    """The last output of the machine, for a failure that Packer's own errors do not explain."""
    if work.console.exists():
        text = work.console.read_text(encoding="utf-8", errors="replace")
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        yield "the last lines of the machine's console:"
        yield from ("  " + "".join(filter(str.isprintable, line)) for line in lines[-12:])


def _artifact(bake: Bake, work: WorkFolder, listener: _Listener) -> Artifact:
    if bake.builder is not Builder.QEMU:
        return Artifact(identity=",".join(listener.artifacts.get("id", ())))
    disk = work.output / f"{bake.name}.qcow2"
    return Artifact(file=disk.name, sha256=file_digest(disk), size=disk.stat().st_size)


def _base(bake: Bake) -> Mapping[str, str]:
    if bake.builder is not Builder.QEMU:
        names = ("source_ami=", "source_image_name=", "region=")
        given = (setting for setting in bake.settings if setting.startswith(names))
        return dict(setting.split("=", 1) for setting in given)
    return {"url": bake.base, "checksum": bake.checksum}
