"""khgen export: every platform, what it writes beside what, and that no key is ever shown."""

import json
import os
import re
import stat
from pathlib import Path

import pytest

from khgen.cli.rendered_commands import write_export
from khgen.export.platforms import PLATFORMS
from support.command import SMALL_SPEC, khgen
from support.rendered_out import (
    ADDRESSED_SPEC,
    TOO_LARGE,
    tree,
    write_example_out,
    write_out,
)
from support.rendering import example_render

EXAMPLES = ("rocky-stacked-ha", "external-etcd", "dual-stack", "single")
FOLDERS = tuple(name for name in PLATFORMS if name != "terraform")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_out(tmp_path, ADDRESSED_SPEC)
    return tmp_path


def export(folder: Path, *arguments: str | Path) -> str:
    done = khgen("export", *arguments, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(folder: Path, *arguments: str | Path, code: int) -> str:
    """What khgen export says where it writes nothing."""
    before = tree(folder)
    done = khgen("export", *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (code, "")
    assert tree(folder) == before
    return done.stderr


@pytest.mark.parametrize("platform", PLATFORMS)
def test_only_the_operator_can_read_exports(folder: Path, platform: str) -> None:
    before = os.umask(0)
    try:
        said = export(folder, platform, "out", "-o", "deep/there")
    finally:
        os.umask(before)
    assert said.startswith(f"wrote small for {platform} into deep/there/: it holds private keys\n")
    for path in (folder / "deep", *(folder / "deep").rglob("*")):
        closed = 0o700 if path.is_dir() or path.name == "create.sh" else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == closed, path


@pytest.mark.parametrize("example", EXAMPLES)
def test_no_key_is_shown_and_bytes_are_the_same(
    example: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = write_example_out(tmp_path, example)
    for platform in (p for p in PLATFORMS if (example, p) not in TOO_LARGE):
        write_export(platform, out, tmp_path / platform)
        first = tree(tmp_path / platform)
        write_export(platform, out, tmp_path / platform)
        assert tree(tmp_path / platform) == first
        shown = capsys.readouterr().out + first.get("create.sh", b"").decode()
        assert shown.startswith(f"wrote {example} for {platform} into ")
        assert "PRIVATE KEY" not in shown
        assert "cloud-config" not in shown
        assert len(shown) < 12_000


@pytest.mark.parametrize("platform", FOLDERS)
def test_nothing_else_is_in_its_folder(folder: Path, platform: str) -> None:
    export(folder, platform, "out")
    listing = json.loads((folder / platform / f"khgen-{platform}.json").read_text())
    assert {*listing["files"], f"khgen-{platform}.json"} == set(tree(folder / platform))
    (folder / platform / "notes").write_text("keep")
    said = refused(folder, platform, "out", code=3)
    assert said.startswith(f"khgen: error: {platform}: holds notes that khgen did not write: ")


def test_a_folder_of_another_platform_is_left_alone(folder: Path) -> None:
    export(folder, "incus", "out", "-o", "here")
    assert "(no khgen-aws.json)" in refused(folder, "aws", "out", "-o", "here", code=3)


def test_variables_go_beside_the_operators_own_files(folder: Path) -> None:
    (folder / "infra").mkdir()
    (folder / "infra/main.tf").write_text("# mine\n")
    (folder / "infra/terraform.tfstate").write_text("{}")
    export(folder, "terraform", "out", "-o", "infra")
    write_out(folder, SMALL_SPEC.replace("{name: small}", "{name: renamed}"))
    export(folder, "terraform", "out", "-o", "infra")
    assert sorted(path.name for path in (folder / "infra").iterdir()) == [
        "khgen.auto.tfvars.json",
        "khgen.tf",
        "main.tf",
        "terraform.tfstate",
    ]
    values = json.loads((folder / "infra/khgen.auto.tfvars.json").read_text())
    assert values["khgen_cluster"]["name"] == "renamed"
    assert (folder / "infra/main.tf").read_text() == "# mine\n"


def test_variables_may_go_where_the_output_is(folder: Path) -> None:
    export(folder, "terraform", "out", "-o", ".")
    assert (folder / "khgen.tf").exists()
    assert "one inside the other" in refused(folder, "terraform", "out", "-o", "out", code=2)


@pytest.mark.parametrize("name", ["khgen.tf", "khgen.auto.tfvars.json"])
def test_a_file_of_somebody_else_is_not_replaced(folder: Path, name: str) -> None:
    (folder / "infra").mkdir()
    (folder / "infra" / name).write_text("{}\n")
    assert refused(folder, "terraform", "out", "-o", "infra", code=3) == (
        f"khgen: error: infra/{name}: was not written by khgen export: name another folder with -o\n"
    )
    (folder / "infra" / name).unlink()
    (folder / "infra" / name).symlink_to(folder / "out/manifest.json")
    assert refused(folder, "terraform", "out", "-o", "infra", code=3) == (
        f"khgen: error: infra/{name}: is not a file: name another folder with -o\n"
    )


def test_an_edited_output_is_not_exported(folder: Path) -> None:
    (folder / "out/nodes/w1/user-data").write_text("#cloud-config\n{}\n")
    said = refused(folder, "incus", "out", code=1)
    assert said.startswith("out/nodes/w1/user-data:1:1: error: changed since it was rendered")


def test_an_unknown_format_is_wrong_usage(folder: Path) -> None:
    assert "'hyperv' is not one of" in refused(folder, "hyperv", "out", code=2)


def test_what_ec2_would_refuse_is_reported(folder: Path) -> None:
    noise = os.urandom(17_000).hex()
    write_out(folder, f"{SMALL_SPEC}userData: {{extra: {{final_message: {noise!r}}}}}\n")
    said = refused(folder, "aws", "out", code=1).splitlines()
    assert len(said) == 9
    assert said[0].startswith("out/nodes/cp1/user-data:1:1: error: takes ")
    assert said[0].endswith(" bytes gzipped, EC2 takes 16,384")
    assert said[1] == "  hint: bake programs into an image, or apply manifests by hand"
    assert said[-1] == "4 errors; nothing was written"


def test_the_control_planes_of_one_example_are_too_large_for_ec2(tmp_path: Path) -> None:
    ((example, platform),) = TOO_LARGE
    plan = example_render(example).plan
    write_example_out(tmp_path, example)
    said = refused(tmp_path, platform, "out", code=1)
    reason = r"^out/nodes/(.+)/user-data:1:1: error: takes [\d,]+ bytes gzipped, EC2 takes 16,384$"
    assert re.findall(reason, said, re.MULTILINE) == [node.name for node in plan.control_planes]
    assert plan.endpoint.vip is not None


def test_a_text_that_is_no_proxmox_snippet_is_reported(folder: Path) -> None:
    write_out(folder, f"{SMALL_SPEC}userData: {{extra: {{final_message: {'long ' * 210_000}}}}}\n")
    said = refused(folder, "proxmox", "out", code=1).splitlines()
    assert said[0].startswith("out/nodes/cp1/user-data:1:1: error: takes 1,")
    assert said[0].endswith(" bytes, a snippet 1,048,576")
    assert said[-1] == "4 errors; nothing was written"
