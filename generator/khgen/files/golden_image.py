"""The golden image: which of the nodes' files it has, and how a node checks that it is the right one.

In it is what neither the cluster's nodes nor its keys decide: khgen-boot, every boot step, and what
a machine that runs pods is configured with. A node's user-data leaves out what is there byte for
byte, copies the steps of its kind out of the image, and its first step compares the digests.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from khgen import __version__
from khgen.files.boot import FOLDER, RUNNER, SOURCED, STEPS, placer_files
from khgen.files.container_runtime import (
    buildkit_files,
    containerd_files,
    crictl_files,
    nerdctl_files,
)
from khgen.files.kubeadm import kubelet_files
from khgen.files.living_node import updater_file
from khgen.files.load_balancer import VIP_SCRIPTS
from khgen.files.operating_system import (
    download_files,
    install_environment,
    kernel_files,
    metadata_files,
    package_files,
    time_sync_files,
)
from khgen.files.templates import verbatim
from khgen.plan.cluster_plan import NodeFile, NodeKind, Plan
from khgen.plan.steps import IMAGE_STEP, steps_of
from khgen.plan.steps import STEPS as BOOT_STEPS

IMAGE_STEPS = PurePosixPath("/usr/share/khgen/steps.d")
"""Every step of every kind of node; each node copies its own to /etc/khgen/steps.d."""
DIGESTS = FOLDER / "image.sha256"
WANTED = FOLDER / "image.wanted"
FORMAT = "khgen-image/v1"
POD_KINDS = (NodeKind.FOUNDER, NodeKind.WORKER)
"""The image has the files that all of these share; they do not depend on the spec's nodes."""

MACHINE_FILES: tuple[Callable[[Plan, NodeKind], tuple[NodeFile, ...]], ...] = (
    time_sync_files,
    kernel_files,
    package_files,
    download_files,
    containerd_files,
    crictl_files,
    nerdctl_files,
    buildkit_files,
    kubelet_files,
    metadata_files,
)
"""Files that configure a machine, in any cluster."""
COMPARING_STEP = "install-image"
"""Checks that every node's programs exist, so that the bake fails and not the first boot."""


def before_bake(plan: Plan) -> Plan:
    """The plan of machines without an image: everything must be installed."""
    return replace(plan, spec=plan.spec.model_copy(update={"image": None}))


def image_files(plan: Plan) -> tuple[NodeFile, ...]:
    """The files that a bake places in the image; the last lists the digests of all others."""
    files = sorted((*_boot_files(), *_machine_files(before_bake(plan))), key=lambda f: f.path)
    return (*files, NodeFile(path=DIGESTS, content=_digests(files)))


def image_digest(files: Iterable[NodeFile]) -> str:
    """SHA-256 of the list of digests; equal for images that are right for the same nodes."""
    (digests,) = (file for file in files if file.path == DIGESTS)
    return _sha256(digests)


def image_about(plan: Plan, digest: str) -> str:
    """The image in a few words, for people who compare two."""
    os = f"{plan.spec.os.family} {plan.spec.os.release} {plan.spec.install.architecture}"
    return f"khgen {__version__}, Kubernetes {plan.version}, {os}, files {digest[:12]}"


def wanted_image_files(plan: Plan, _: NodeKind) -> tuple[NodeFile, ...]:
    """The image that a node needs, as `sha256sum -c` reads it; none if the cluster has no image."""
    if plan.spec.image is None:
        return ()
    digest = image_digest(image_files(plan))
    content = f"# {image_about(plan, digest)}\n{digest}  {DIGESTS}\n"
    return (NodeFile(path=WANTED, content=content),)


def in_image(plan: Plan, files: Iterable[NodeFile]) -> frozenset[NodeFile]:
    """The files of a node that are in its image, byte for byte."""
    if plan.spec.image is None:
        return frozenset()
    baked = frozenset(image_files(plan))
    return frozenset(
        file for file in files if file in baked or replace(file, path=_image_path(file)) in baked
    )


def steps_in_image(files: Iterable[NodeFile]) -> tuple[str, ...]:
    """The names of the steps among these files."""
    return tuple(file.path.name for file in files if file.path.parent == STEPS)


def _image_path(file: NodeFile) -> PurePosixPath:
    return IMAGE_STEPS / file.path.name if file.path.parent == STEPS else file.path


def _boot_files() -> tuple[NodeFile, ...]:
    steps = (step for step in BOOT_STEPS if step.name != IMAGE_STEP and not step.living)
    return (
        NodeFile(path=RUNNER, content=verbatim("khgen-boot"), mode=0o755),
        *placer_files(),
        updater_file(),
        *VIP_SCRIPTS,
        *(NodeFile(path=FOLDER / name, content=verbatim(name)) for name in SOURCED),
        *(
            NodeFile(path=IMAGE_STEPS / s.file_name, content=verbatim(f"steps/{s.name}.sh"))
            for s in steps
        ),
    )


def _machine_files(plan: Plan) -> frozenset[NodeFile]:
    kinds = ({file for make in MACHINE_FILES for file in make(plan, kind)} for kind in POD_KINDS)
    return frozenset.intersection(*map(frozenset, kinds))


def _digests(files: Iterable[NodeFile]) -> str:
    return f"# {FORMAT}\n" + "".join(f"{_sha256(file)}  {file.path}\n" for file in files)


def _sha256(file: NodeFile) -> str:
    return hashlib.sha256(file.content.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePayload:
    """The content of an image, as far as the spec determines it."""

    files: tuple[NodeFile, ...]
    environment: Mapping[str, str]
    """The values that the steps read."""
    steps: tuple[str, ...]
    """Which steps the bake runs, in order: those of a first boot that install and prepare."""
    container_images: tuple[str, ...]
    """The container images that are pulled besides kubeadm's own."""
    contract: Mapping[str, object]
    """/etc/khgen/image.json, before what was found on the machine is added."""


def image_payload(plan: Plan) -> ImagePayload:
    """The payload of an image that is right for every node of the plan."""
    files = image_files(plan)
    digest = image_digest(files)
    kinds = tuple(dict.fromkeys(node.kind for node in plan.nodes))
    image = plan.spec.image
    return ImagePayload(
        files=files,
        environment=_environment(plan, kinds),
        steps=_steps(plan, kinds),
        container_images=() if image is None else image.preload_images,
        contract={
            "format": FORMAT,
            "about": image_about(plan, digest),
            "kubernetes": str(plan.version),
            "os": {"family": plan.spec.os.family.value, "release": plan.spec.os.release},
            "architecture": plan.spec.install.architecture,
            "files": digest,
        },
    )


def _steps(plan: Plan, kinds: tuple[NodeKind, ...]) -> tuple[str, ...]:
    unbaked = before_bake(plan)
    found = {
        *(s for kind in kinds for s in steps_of(unbaked, kind) if s.in_bake),
        *(s for kind in kinds for s in steps_of(plan, kind) if s.name == COMPARING_STEP),
    }
    return tuple(step.file_name for step in sorted(found, key=lambda step: step.number))


def _environment(plan: Plan, kinds: tuple[NodeKind, ...]) -> dict[str, str]:
    programs = install_environment(plan, *kinds)["PROGRAMS"]
    return install_environment(before_bake(plan), *kinds) | {"PROGRAMS": programs}
