"""What khgen hands to Packer: the archive for the image, and the variables of the templates."""

import json
import tarfile
from pathlib import Path

import hcl2
import pytest

from khgen.bake.image_build import Bake, prepare
from khgen.bake.packer import Builder, Hypervisor, Packer
from khgen.bake.work_folder import PLUGINS, WorkFolder, private_folders
from khgen.facts.version import Version
from khgen.files.golden_image import image_payload
from khgen.resources import resource_folder
from khgen.spec.model.machine import ImageSpec
from support.rendering import plan_of, spec_of

PACKER = Packer(program="packer", version=Version((1, 6, 6)), environment={})


def bake_of(spec: Path, builder: Builder = Builder.QEMU, **image: object) -> Bake:
    parsed = spec_of(spec.read_text())
    assert parsed.image is not None
    changed = parsed.model_copy(update={"image": parsed.image.model_copy(update=image)})
    assert isinstance(changed.image, ImageSpec)
    plan = plan_of(changed)
    return Bake(
        plan=plan,
        image=changed.image,
        folder=spec.parent,
        payload=image_payload(plan),
        builder=builder,
        accelerator=None,
        settings=(),
        cache=spec.parent,
    )


def prepared(bake: Bake, work: WorkFolder) -> dict[str, object]:
    prepare(bake, work, PACKER, Hypervisor())
    values: dict[str, object] = json.loads(work.variables.read_text())
    return values


def archived(bake: Bake) -> tuple[bytes, dict[str, tuple[tarfile.TarInfo, bytes]]]:
    """The archive's bytes, and what is in it."""
    with private_folders(None) as work:
        prepared(bake, work)
        with tarfile.open(work.payload) as archive:
            entries = {}
            for entry in archive:
                content = archive.extractfile(entry)
                assert content is not None, "folders are not in it"
                entries[entry.name] = entry, content.read()
        return work.payload.read_bytes(), entries


def test_every_file_of_the_payload_is_in_the_archive(spec: Path) -> None:
    bake = bake_of(spec)
    entries = archived(bake)[1]
    rootfs = {name: content for name, content in entries.items() if name.startswith("rootfs/")}
    assert len(rootfs) == len(bake.payload.files)
    for file in bake.payload.files:
        entry, content = rootfs[f"rootfs{file.path}"]
        assert content.decode() == file.content
        assert (entry.mode, entry.uid, entry.uname, entry.mtime) == (file.mode, 0, "root", 0)


def test_every_step_of_the_bake_is_a_file_of_the_image(spec: Path) -> None:
    entries = archived(bake_of(spec))[1]
    steps = entries["bake/steps"][1].decode().split()
    assert any(name.endswith("-install-deb") for name in steps)
    assert all(f"rootfs/usr/share/khgen/steps.d/{name}" in entries for name in steps)


def test_the_archive_is_the_same_every_time(spec: Path) -> None:
    assert archived(bake_of(spec))[0] == archived(bake_of(spec))[0]


def test_images_to_preload(spec: Path, tmp_path: Path) -> None:
    (tmp_path / "calico.tar").write_bytes(b"images")
    bake = bake_of(
        spec, preload_images=("docker.io/calico/node:v1",), preload_archives=("calico.tar",)
    )
    entries = archived(bake)[1]
    assert entries["bake/archives/00-calico.tar"][1] == b"images"
    assert entries["bake/images"][1].decode().split() == [
        "registry.k8s.io/pause:3.9",
        "registry.k8s.io/etcd:3.5.12-0",
        "docker.io/calico/node:v1",
    ]
    assert entries["bake/kubeadm"][1].decode().split() == [
        "--kubernetes-version=1.29.6",
        "--image-repository=registry.k8s.io",
    ]
    without = archived(bake_of(spec, preload=False))[1]
    assert (without["bake/images"][1], without["bake/kubeadm"][1]) == (b"", b"")


def declared() -> dict[str, bool]:
    """Each variable, and whether it can be left out."""
    text = (resource_folder("packer") / "variables.pkr.hcl").read_text(encoding="utf-8")
    blocks = hcl2.loads(text)["variable"]
    return {name.strip('"'): "default" in v for block in blocks for name, v in block.items()}


@pytest.mark.parametrize("builder", list(Builder))
def test_every_variable_that_is_said_is_declared_and_none_is_missing(
    spec: Path, builder: Builder
) -> None:
    with private_folders(None) as work:
        said = prepared(bake_of(spec, builder), work).keys()
    variables = declared()
    assert said <= variables.keys()
    assert {name for name, optional in variables.items() if not optional} <= said


def test_the_login_is_private_and_of_this_bake_alone(spec: Path) -> None:
    keys = set()
    for _ in range(2):
        with private_folders(None) as work:
            prepared(bake_of(spec), work)
            assert work.path.stat().st_mode & 0o777 == 0o700
            assert work.key.stat().st_mode & 0o777 == 0o600
            keys.add(work.key.read_bytes())
        assert not work.path.exists()
        assert not work.temporary.exists()
    assert len(keys) == 2


@pytest.mark.parametrize(("version", "there"), [("1.6.6", False), ("1.11.0", True)])
def test_the_plugins_are_left_out_for_a_packer_that_cannot_read_them(
    spec: Path, version: str, there: bool
) -> None:
    packer = Packer(program="packer", version=Version.parse(version), environment={})
    with private_folders(None) as work:
        prepare(bake_of(spec), work, packer, Hypervisor())
        assert (work.templates / PLUGINS).exists() is there
