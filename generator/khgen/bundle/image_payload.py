"""What a bake gets: the image's files, the steps that it runs, and the contract of the image."""

from collections.abc import Mapping
from dataclasses import dataclass

from khgen.files.golden_image import (
    FORMAT,
    before_bake,
    image_about,
    image_digest,
    image_files,
)
from khgen.files.install_environment import install_environment
from khgen.plan.model import NodeKind, Plan
from khgen.plan.node_file import NodeFile
from khgen.plan.steps import steps_of

COMPARING_STEP = "install-image"
"""Looks for the programs of every node; so a bake that lacks one fails, and not the first boot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePayload:
    """Everything of an image that the spec decides."""

    files: tuple[NodeFile, ...]
    environment: Mapping[str, str]
    """What the steps read."""
    steps: tuple[str, ...]
    """Which steps the bake runs, in order: those of a first boot that install and prepare."""
    container_images: tuple[str, ...]
    """What is pulled besides kubeadm's own."""
    contract: Mapping[str, object]
    """/etc/khgen/image.json, before what was found on the machine is added."""


def image_payload(plan: Plan) -> ImagePayload:
    """The payload of an image that does for every node of the plan."""
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
