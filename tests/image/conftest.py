"""Templates and specs that the tests of images share."""

import shutil
from pathlib import Path

import pytest

from khgen.bake.work_folder import PLUGINS
from khgen.resources import resource_folder
from support.command import SMALL_SPEC
from support.image_specs import CHECKSUM


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """The templates as a Packer without plugins reads them."""
    copy = tmp_path / "packer"
    shutil.copytree(resource_folder("packer"), copy, ignore=shutil.ignore_patterns(PLUGINS))
    return copy


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A spec with an image to bake; the base image is not there."""
    path = tmp_path / "cluster.yaml"
    path.write_text(f"{SMALL_SPEC}image:\n  base: {{url: base.qcow2, checksum: '{CHECKSUM}'}}\n")
    return path
