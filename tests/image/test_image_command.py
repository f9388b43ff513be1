"""`khgen image` as a user runs it, with a real Packer and without a hypervisor."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from khgen.bake.image_build import Artifact, ImageManifest, file_digest, write_manifest
from khgen.rehearse.processes import wait_until
from support.command import SMALL_SPEC, khgen
from support.image_specs import CHECKSUM
from support.packer_ends import PACKERS_LAST_WORDS, PATIENCE, alive
from support.programs import require_program

QEMU_PROGRAMS = ("qemu-system-x86_64", "qemu-img", "xorriso")


@pytest.fixture
def only_packer(tmp_path: Path) -> dict[str, str]:
    """An environment in which Packer is the only program."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "packer").symlink_to(require_program("packer"))
    return {"PATH": str(folder)}


@pytest.fixture
def with_qemu(only_packer: dict[str, str]) -> dict[str, str]:
    """The same, with programs that are called like QEMU's but start no machine."""
    for name in QEMU_PROGRAMS:
        program = Path(only_packer["PATH"]) / name
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
    return only_packer


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment that puts temporary files where the test can see them, by a short path."""
    place = tmp_path / "tmp"
    place.mkdir()
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        link = Path(short, "t")
        link.symlink_to(place)
        yield {"TMPDIR": str(link), "KHGEN_CACHE": str(tmp_path / "cache")}


@pytest.mark.tools
def test_validate_has_packer_judge_the_bake(
    spec: Path, tmp_path: Path, temporary: dict[str, str]
) -> None:
    require_program("packer")
    done = khgen("image", "validate", spec, cwd=tmp_path, env=temporary)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("accepts the templates for small-1.29.6 with qemu\n")
    assert list((tmp_path / "tmp").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cluster.yaml", "tmp"]


@pytest.mark.tools
def test_validate_for_aws(spec: Path, tmp_path: Path) -> None:
    require_program("packer")
    settings = ("--var", "source_ami=ami-0123456789abcdef0", "--var", "region=eu-central-1")
    command = ("image", "validate", spec, "--builder", "amazon-ebs")
    assert khgen(*command, *settings, cwd=tmp_path).returncode == 0
    done = khgen(*command, cwd=tmp_path)
    assert done.returncode == 4
    assert "A source_ami or source_ami_filter must be specified" in done.stderr


@pytest.mark.tools
def test_packers_sockets_fit_also_where_temporary_files_lie_deep(
    spec: Path, tmp_path: Path, with_qemu: dict[str, str]
) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    env = {**with_qemu, "TMPDIR": str(deep), "KHGEN_CACHE": str(tmp_path / "cache")}
    (tmp_path / "base.qcow2").write_bytes(b"not what the checksum says")
    done = khgen("image", "build", spec, cwd=tmp_path, env=env)
    assert "panic" not in done.stderr
    assert "khgen: error: packer build ended with 1\n" in done.stderr


@pytest.mark.tools
def test_packers_errors_are_shown_as_they_are(
    spec: Path, tmp_path: Path, temporary: dict[str, str]
) -> None:
    require_program("packer")
    done = khgen("image", "validate", spec, "--var", "memory=64", cwd=tmp_path, env=temporary)
    assert done.returncode == 4
    assert "The memory is at least 512 MiB." in done.stderr.splitlines()
    assert done.stderr.splitlines()[-1] == "khgen: error: packer validate ended with 1"
    assert list((tmp_path / "tmp").iterdir()) == []


NEWER = """\
#!/bin/sh
[ "$1" != version ] || { echo Packer v1.11.2; exit; }
for last; do :; done
echo "1,,ui,say,$1 $(ls "$last" | tr '\\n' ' ')"
[ "$1" != "$FAILING" ]
"""
"""Stands in for a Packer whose builders are plugins: prints its subcommand and its template."""


@pytest.mark.parametrize("failing", ["", "init"])
def test_a_newer_packer_gets_its_plugins_first(spec: Path, tmp_path: Path, failing: str) -> None:
    program = tmp_path / "bin" / "packer"
    program.parent.mkdir()
    program.write_text(NEWER)
    program.chmod(0o755)
    env = {"PATH": f"{program.parent}:{os.environ['PATH']}", "FAILING": failing}
    done = khgen("image", "validate", spec, cwd=tmp_path, env=env)
    files = "build.pkr.hcl plugins.pkr.hcl provision sources.pkr.hcl variables.pkr.hcl "
    said = [line for line in done.stderr.splitlines() if line.endswith("pkr.hcl ")]
    if failing:
        assert (done.returncode, said) == (4, [f"init {files}"])
        assert "khgen: error: packer init ended with 1" in done.stderr
    else:
        assert (done.returncode, said) == (0, [f"init {files}", f"validate {files}"])


def test_a_spec_without_an_image(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(SMALL_SPEC)
    done = khgen("image", "build", "cluster.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "error: the spec has no 'image' to bake" in done.stderr
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("image:\n  base:", "image:\n  preload: true\n  #", "error: there is no 'base'"),
        ("install: {", "install: {architecture: arm64, ", "bakes amd64, not arm64"),
    ],
)
def test_a_spec_that_qemu_cannot_bake(
    spec: Path, tmp_path: Path, old: str, new: str, said: str
) -> None:
    spec.write_text(spec.read_text().replace(old, new))
    done = khgen("image", "validate", spec, cwd=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr


def test_a_setting_without_a_value(spec: Path, tmp_path: Path) -> None:
    done = khgen("image", "validate", spec, "--var", "memory", cwd=tmp_path)
    assert done.returncode == 2
    assert "--var takes NAME=VALUE, not 'memory'" in done.stderr


def test_without_packer(spec: Path, tmp_path: Path) -> None:
    done = khgen("image", "validate", spec, cwd=tmp_path, env={"PATH": "/nonexistent"})
    assert done.returncode == 4
    assert "khgen: error: there is no program 'packer' on this machine" in done.stderr
    assert "  hint: install it: https://developer.hashicorp.com/packer/install" in done.stderr


@pytest.mark.tools
@pytest.mark.parametrize("missing", QEMU_PROGRAMS)
def test_without_a_program_of_qemu(
    spec: Path, tmp_path: Path, with_qemu: dict[str, str], missing: str
) -> None:
    (Path(with_qemu["PATH"]) / missing).unlink()
    done = khgen("image", "build", spec, cwd=tmp_path, env=with_qemu)
    assert done.returncode == 4
    assert missing in done.stderr.splitlines()[-2]
    assert "hint: apt-get install" in done.stderr.splitlines()[-1]
    assert list((tmp_path / "images").iterdir()) == []


@pytest.mark.tools
def test_a_qemu_that_is_too_old(spec: Path, tmp_path: Path, with_qemu: dict[str, str]) -> None:
    program = Path(with_qemu["PATH"]) / "qemu-system-x86_64"
    program.write_text("#!/bin/sh\necho 'QEMU emulator version 2.12.0 (Debian)'\n")
    done = khgen("image", "build", spec, cwd=tmp_path, env=with_qemu)
    assert done.returncode == 4
    assert f"{program} is QEMU 2.12, too old: 4.2 or newer is needed" in done.stderr


@pytest.mark.tools
def test_a_build_that_fails_leaves_what_was_there(
    spec: Path, tmp_path: Path, with_qemu: dict[str, str], temporary: dict[str, str]
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "small-1.29.6.qcow2").write_bytes(b"an older one")
    (images / ".khgen-bake-k1ll3d_x").mkdir()
    env = {**with_qemu, **temporary}
    (tmp_path / "base.qcow2").write_bytes(b"not what the checksum says")
    done = khgen("image", "build", spec, cwd=tmp_path, env=env)
    assert done.returncode == 4
    assert "khgen: error: packer build ended with 1\n" in done.stderr
    assert "Checksums did not match" in done.stderr
    assert [path.name for path in images.iterdir()] == ["small-1.29.6.qcow2"]
    assert (images / "small-1.29.6.qcow2").read_bytes() == b"an older one"
    assert list((tmp_path / "tmp").iterdir()) == []


SUCCEEDING = """\
#!{python}
import json, os, sys
if sys.argv[1] == "version":
    sys.exit(print("Packer v1.6.6"))
(path,) = (word.partition("=")[2] for word in sys.argv if word.startswith("-var-file="))
said = json.load(open(path))
os.mkdir(said["output_directory"])
with open(f"{{said['output_directory']}}/{{said['image_name']}}.qcow2", "w") as disk:
    disk.write("a disk")
with open(said["report"], "w") as report:
    json.dump({{"about": "it", "found": {{"programs": {{"kubeadm": "1.29.6"}}}}}}, report)
print("1,,ui,say,==> qemu.node: Connected to SSH!", flush=True)
print("panic: a line of no known form", flush=True)
"""
"""Stands in for a Packer that bakes."""


@pytest.mark.tools
def test_a_bake_ends_with_the_image_and_its_manifest(
    spec: Path, tmp_path: Path, with_qemu: dict[str, str]
) -> None:
    packer = Path(with_qemu["PATH"]) / "packer"
    packer.unlink()
    packer.write_text(SUCCEEDING.format(python=sys.executable))
    packer.chmod(0o755)
    done = khgen("image", "build", spec, "--format", "json", cwd=tmp_path, env=with_qemu)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^ +\d+\.\d s  ==> qemu\.node: Connected to SSH!$", done.stderr, re.MULTILINE)
    assert "panic: a line of no known form" in done.stderr
    images = tmp_path / "images"
    names = sorted(path.name for path in images.iterdir())
    assert names == ["small-1.29.6.manifest.json", "small-1.29.6.qcow2"]
    manifest = json.loads((images / names[0]).read_text())
    assert manifest["artifact"] == {
        "file": "small-1.29.6.qcow2",
        "identity": None,
        "sha256": file_digest(images / "small-1.29.6.qcow2"),
        "size": 6,
    }
    assert manifest["base"]["checksum"] == CHECKSUM
    assert manifest["contract"]["found"]["programs"] == {"kubeadm": "1.29.6"}
    assert (manifest["packer"], manifest["accelerator"]) == ("1.6.6", "tcg")
    report = json.loads(done.stdout)
    assert report["manifest"] == "images/small-1.29.6.manifest.json"
    assert report["wrote"] == [f"images/{name}" for name in reversed(names)]
    assert {name: report[name] for name in manifest.keys() - {"format", "baked"}} == {
        name: value for name, value in manifest.items() if name not in {"format", "baked"}
    }
    assert khgen("image", "list", cwd=tmp_path).returncode == 0


SLEEPING_QEMU = """\
#!/bin/sh
case $1 in -version | --version) echo QEMU emulator version 7.2.0; exit;; esac
for word; do [ "$word" != -S ] || exit 1; done
echo $$ >"$STARTED.new"
mv "$STARTED.new" "$STARTED"
exec sleep 300
"""
"""Stands in for a machine that never lets anyone log in; there is no KVM."""


@pytest.mark.tools
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_bake_leaves_nothing(
    spec: Path,
    tmp_path: Path,
    with_qemu: dict[str, str],
    temporary: dict[str, str],
    number: signal.Signals,
) -> None:
    programs = Path(with_qemu["PATH"])
    base = tmp_path / "base.qcow2"
    base.write_bytes(b"a disk")
    spec.write_text(spec.read_text().replace("0" * 64, file_digest(base)))
    (programs / "qemu-system-x86_64").write_text(SLEEPING_QEMU)
    (programs / "qemu-img").write_text("#!/bin/sh\n")
    (programs / "xorriso").write_text("#!/bin/sh\n")
    started = tmp_path / "started"
    paths = {"PATH": f"{programs}:{os.environ['PATH']}", "STARTED": str(started)}
    command = [sys.executable, "-m", "khgen", "image", "build", str(spec), "-o", "images"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, **temporary, **paths},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(started.exists, PATIENCE, "Packer to begin")
        process.send_signal(number)
        said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 128 + number, said
    assert said.endswith("khgen: interrupted; nothing is left of the bake\n")
    assert any(end in said for end in PACKERS_LAST_WORDS)
    assert list((tmp_path / "images").iterdir()) == []
    assert list((tmp_path / "tmp").iterdir()) == []
    wait_until(lambda: not alive(int(started.read_text())), PATIENCE, "what Packer ran to end")


@pytest.fixture
def baked(tmp_path: Path) -> Path:
    """A folder with an image and its manifest, as a bake leaves them."""
    folder = tmp_path / "images"
    folder.mkdir()
    disk = folder / "small-1.29.6.qcow2"
    disk.write_bytes(b"a disk")
    found = {"programs": {"kubeadm": "1.29.6", "containerd": "1.7.24", "haproxy": "2.6"}}
    manifest = ImageManifest(
        name="small-1.29.6",
        builder="qemu",
        artifact=Artifact(file=disk.name, sha256=file_digest(disk), size=6),
        base={"url": "base.qcow2", "checksum": "sha256:0"},
        contract={"found": found},
        packer="1.6.6",
        accelerator="tcg",
        seconds=300,
    )
    write_manifest(manifest, folder)
    return folder


def test_list_prints_the_images(baked: Path, tmp_path: Path) -> None:
    done = khgen("image", "list", cwd=tmp_path)
    assert done.returncode == 0
    title, row = done.stdout.splitlines()
    assert title.split() == ["name", "baked", "size", "digest", "versions"]
    assert row.startswith("small-1.29.6.qcow2  ")
    assert "  0 MiB  ok      kubeadm 1.29.6, containerd 1.7.24" in row
    printed = json.loads(khgen("image", "list", baked, "--format", "json", cwd=tmp_path).stdout)
    (listed,) = printed["images"]
    assert (listed["digest"], listed["packer"], listed["artifact"]["size"]) == ("ok", "1.6.6", 6)


@pytest.mark.parametrize(("content", "said"), [(b"A disk", "changed"), (None, "missing")])
def test_list_finds_what_was_changed(
    baked: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    disk = baked / "small-1.29.6.qcow2"
    disk.unlink()
    if content is not None:
        disk.write_bytes(content)
    done = khgen("image", "list", baked, cwd=tmp_path)
    assert done.returncode == 1
    assert f"  {said}  " in done.stdout


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "another"}', "{}"])
def test_list_refuses_what_is_no_manifest(baked: Path, tmp_path: Path, text: str) -> None:
    (baked / "other.manifest.json").write_text(text)
    done = khgen("image", "list", baked, cwd=tmp_path)
    assert done.returncode == 3
    assert "other.manifest.json: is not a manifest that this khgen wrote" in done.stderr


def test_list_of_no_images(tmp_path: Path) -> None:
    done = khgen("image", "list", cwd=tmp_path)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)
