"""The static templates, read by an independent parser and by a real Packer."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2
import pytest

from khgen.bake.packer import Builder
from khgen.resources import resource_folder
from support.programs import assert_accepts, require_program, run

FOLDER = resource_folder("packer")
TEMPLATES = sorted(FOLDER.glob("*.pkr.hcl"))
SCRIPTS = sorted((FOLDER / "provision").glob("*.sh"))


def document(name: str) -> dict[str, Any]:
    """A template as python-hcl2 reads it; it keeps the quotes of strings."""
    content: dict[str, Any] = hcl2.loads((FOLDER / name).read_text(encoding="utf-8"))
    return content


def unquoted(text: str) -> str:
    return text.strip('"')


def declared() -> dict[str, dict[str, Any]]:
    """Each variable by name."""
    blocks = document("variables.pkr.hcl")["variable"]
    return {unquoted(name): body for block in blocks for name, body in block.items()}


def sources() -> Iterator[tuple[str, str]]:
    for block in document("sources.pkr.hcl")["source"]:
        for kind, named in block.items():
            yield unquoted(kind), unquoted(next(iter(named)))


def test_every_template_is_hcl() -> None:
    names = [path.name for path in TEMPLATES]
    assert names == [f"{n}.pkr.hcl" for n in ("build", "plugins", "sources", "variables")]
    assert all(document(name) for name in names)


def test_plugins_are_pinned_to_one_version_in_a_file_of_their_own() -> None:
    (block,) = document("plugins.pkr.hcl")["packer"]
    (required,) = block["required_plugins"]
    plugins = {name: body for name, body in required.items() if name != "__is_block__"}
    assert sorted(plugins) == ["amazon", "openstack", "qemu"]
    for name, body in plugins.items():
        assert unquoted(body["source"]) == f"github.com/hashicorp/{name}"
        assert re.fullmatch(r"= \d+\.\d+\.\d+", unquoted(body["version"]))
    assert not any(
        "packer" in document(path.name) for path in TEMPLATES if path.stem != "plugins.pkr"
    )


def test_there_is_a_source_for_every_builder_and_the_build_has_them_all() -> None:
    found = list(sources())
    assert sorted(kind for kind, _ in found) == sorted(Builder)
    (build,) = document("build.pkr.hcl")["build"]
    assert [unquoted(name) for name in build["sources"]] == [f"source.{k}.{n}" for k, n in found]


def test_every_variable_is_typed_described_and_used() -> None:
    used = "".join((FOLDER / f"{n}.pkr.hcl").read_text() for n in ("sources", "build"))
    for name, body in declared().items():
        assert {"type", "description"} <= body.keys(), name
        assert re.search(rf"\bvar\.{name}\b", used), f"{name} is not used"
    assert set(re.findall(r"\bvar\.(\w+)", used)) <= declared().keys()


def test_every_script_is_run_and_every_one_that_is_run_is_there() -> None:
    text = (FOLDER / "build.pkr.hcl").read_text(encoding="utf-8")
    assert sorted(re.findall(r"provision/(\S+)\"", text)) == [path.name for path in SCRIPTS]


@pytest.mark.tools
def test_packer_would_write_them_the_same_way() -> None:
    assert_accepts([require_program("packer"), "fmt", "-check", "-diff", FOLDER])


@pytest.mark.tools
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    assert_accepts([require_program("shellcheck"), script])


@pytest.mark.tools
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("image_name=a b", "The image_name can have letters"),
        ("disk_size=8 GB", "The disk_size is a number"),
        ("ssh_timeout=soon", "The ssh_timeout is a duration"),
        ("base_checksum=md5:1", "The base_checksum is sha256: or sha512:"),
        ("accelerator=xen", "The accelerator is one of"),
        ("memory=64", "The memory is at least"),
    ],
)
def test_packer_refuses_wrong_values(templates: Path, setting: str, said: str) -> None:
    words = ("-only=qemu.node", "-var", "image_name=x", "-var", "payload=p", "-var", "report=r")
    done = run([require_program("packer"), "validate", *words, "-var", setting, templates])
    assert done.returncode == 1
    assert said in done.stdout
