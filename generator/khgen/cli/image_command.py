"""`khgen image`: golden images, baked by Packer."""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from khgen.bake.image_build import (
    Bake,
    ImageManifest,
    ListedImage,
    Show,
    build,
    listed_images,
    validate,
)
from khgen.bake.packer import Accelerator, BakeError, BakeInterruptedError, Builder
from khgen.cli.inputs import Inputs, read_inputs
from khgen.cli.outcome import EndedError, Exit, Report, Run, current_run, exit_code, wrote
from khgen.files.golden_image import image_payload
from khgen.plan.cluster_plan import build_plan, founders_of
from khgen.problems import Finding, Place, Problem, Problems
from khgen.rehearse.cached_images import cache_folder
from khgen.spec.model import ClusterSpec
from khgen.spec.model.machine import ImageSpec

BAKE_HINT = "bake it again with khgen image build, or restore the file from a copy"
LIST_HINT = "name the folder of khgen image build, which is images/ without -o"


def build_image(
    spec: Path, output: Path, builder: str, settings: tuple[str, ...], accelerator: str
) -> None:
    """Bake the spec's image into that folder, and print what was baked."""
    report = Report()
    bake = _bake(spec, Builder(builder), settings, accelerator, report)
    with _reporting(report.run):
        manifest = build(bake, output, _live(time.monotonic()))
    path = output / manifest.file_name
    wrote(*([output / manifest.artifact.file] if manifest.artifact.file else []), path)
    if report.run.as_json:
        report.print_json({"manifest": str(path), **asdict(manifest)})
        return
    click.echo("\n".join(_summary(manifest, output)))
    click.echo(f"manifest: {path}")


def validate_image(spec: Path, builder: str, settings: tuple[str, ...], accelerator: str) -> None:
    """Let Packer check the templates, and print that it accepts them."""
    report = Report()
    bake = _bake(spec, Builder(builder), settings, accelerator, report)
    with _reporting(report.run):
        packer = validate(bake, _live(None))
    click.echo(f"Packer {packer.version} accepts the templates for {bake.name} with {bake.builder}")


def list_images(folder: Path, *, must_exist: bool) -> None:
    """Print the images in that folder; ends the command with 1 if one has changed or is missing."""
    if not folder.is_dir() and (folder.exists() or must_exist):
        current_run().fail(Exit.FILES, "is not a folder", hint=LIST_HINT, file=str(folder))
    report = Report()
    images = list(listed_images(folder))
    report.add(Problems.of(_problem(folder, i) for i in images if i.digest.is_bad), {})
    code = Exit.PROBLEMS if report.problems else Exit.DONE
    if report.run.as_json:
        report.print_json({"images": [_plain(image) for image in images]}, code)
    else:
        rows = [("name", "baked", "size", "digest", "versions"), *map(_row, images)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            click.echo("  ".join(cells).rstrip())
    sys.exit(code)


def _problem(folder: Path, image: ListedImage) -> Problem:
    file = str(folder / (image.manifest.artifact.file or image.manifest.file_name))
    message = f"{image.digest}: this is not the image that was baked"
    return Problem(message=message, place=Place(file=file, line=1, column=1), hint=BAKE_HINT)


def _bake(
    spec: Path, builder: Builder, settings: tuple[str, ...], accelerator: str, report: Report
) -> Bake:
    if wrong := [setting for setting in settings if "=" not in setting]:
        message = f"--var takes NAME=VALUE, not '{wrong[0]}'"
        raise click.UsageError(message)
    inputs = read_inputs(spec, report)
    image = _image(inputs, builder, report)
    if not report.run.as_json:
        report.show()
    plan = build_plan(inputs.spec, founders_of(inputs.spec))
    return Bake(
        plan=plan,
        image=image,
        folder=inputs.file.folder,
        payload=image_payload(plan),
        builder=builder,
        accelerator=None if accelerator == "auto" else Accelerator(accelerator),
        settings=settings,
        cache=cache_folder() / "packer",
    )


def _image(inputs: Inputs, builder: Builder, report: Report) -> ImageSpec:
    report.add(inputs.problems(_findings(inputs.spec, builder)), {})
    report.stop_if_fatal()
    image = inputs.spec.image
    assert image is not None, "a spec without errors has one"  # noqa: S101
    return image


def _findings(spec: ClusterSpec, builder: Builder) -> Iterator[Finding]:
    hint = "docs/images.md has an example"
    if spec.image is None:
        yield Finding(path=(), message="the spec has no 'image' to bake", hint=hint)
    elif builder is Builder.QEMU and spec.image.base is None:
        message = "there is no 'base', the distribution's cloud image, to bake on"
        yield Finding(path=("image",), message=message, hint=hint)
    elif builder is Builder.QEMU and spec.install.architecture != "amd64":
        yield Finding(
            path=("install", "architecture"),
            message=f"the qemu builder bakes amd64, not {spec.install.architecture}",
            hint="choose another with --builder, like amazon-ebs",
        )


@contextmanager
def _reporting(run: Run) -> Iterator[None]:
    """End the command with a message if a program of this machine fails or the user interrupts it."""
    try:
        yield
    except (BakeInterruptedError, EndedError) as ended:
        click.echo("khgen: interrupted; nothing is left of the bake", err=True)
        sys.exit(exit_code(ended.number))
    except BakeError as error:
        run.fail(Exit.PROGRAM, str(error), hint=error.hint)


def _live(started: float | None) -> Show:
    """Print each line of Packer unchanged, after the seconds since the start."""

    def show(kind: str, text: str) -> None:
        passed = "" if started is None else f"{time.monotonic() - started:7.1f} s  "
        for line in filter(None, text.split("\n")):
            coloured = kind == "error" and "NO_COLOR" not in os.environ
            shown = click.style(line, fg="red") if coloured else line
            click.echo(f"{passed}{shown}", err=True)

    return show


def _summary(manifest: ImageManifest, out: Path) -> Iterator[str]:
    artifact = manifest.artifact
    if artifact.file is None:
        yield f"baked {artifact.identity} in {manifest.seconds} s"
    else:
        yield f"baked {out / artifact.file} ({_size(artifact.size)}) in {manifest.seconds} s"
        yield f"sha256 {artifact.sha256}"
    yield f"in it: {_versions(manifest.contract)}"


def _row(image: ListedImage) -> tuple[str, ...]:
    artifact = image.manifest.artifact
    return (
        artifact.file or artifact.identity or "",
        f"{image.baked:%Y-%m-%d %H:%M}Z",
        _size(artifact.size),
        image.digest,
        _versions(image.manifest.contract),
    )


def _plain(image: ListedImage) -> Mapping[str, object]:
    baked = image.baked.isoformat()
    return {"baked": baked, "digest": image.digest, **asdict(image.manifest)}


def _size(size: int | None) -> str:
    return "" if size is None else f"{size / 2**20:,.0f} MiB"


def _versions(contract: Mapping[str, object]) -> str:
    found = contract.get("found")
    programs = found.get("programs") if isinstance(found, Mapping) else None
    if not isinstance(programs, Mapping):
        return ""
    names = ("kubeadm", "kubelet", "kubectl", "containerd", "runc")
    return ", ".join(f"{name} {programs[name]}" for name in names if name in programs)
