"""File systems as they are: each works, or ends in an error that names the file and what to do."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from support.command import SMALL_SPEC, khgen
from support.programs import require_namespaces, require_program, unavailable
from support.rendered_out import timeless, tree
from support.rendering import ROOT

FULL_DISK = ROOT / "tests" / "disk" / "full_disk.py"
SECRETS = "small.secrets.yaml"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "cluster.yaml"
    path.write_text(SMALL_SPEC)
    return path


@pytest.fixture
def rendered(spec: Path) -> Path:
    assert khgen("render", "cluster.yaml", cwd=spec.parent).returncode == 0
    return spec.parent


def mounted(script: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A shell script in mounts of its own, in which `khgen` is the command."""
    require_namespaces()
    command = f'set -e\nkhgen() {{ {sys.executable} -m khgen "$@"; }}\n{script}'
    return subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "bash", "-c", command],
        cwd=cwd, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip


def injected(faults: tuple[str, ...], *arguments: str, cwd: Path) -> tuple[int, str]:
    """khgen with system calls that fail; its exit code and what it said."""
    strace = require_program("strace")
    words = [word for fault in faults for word in ("-e", f"inject={fault}")]
    calls = ",".join(fault.partition(":")[0] for fault in faults)
    done = subprocess.run(
        [strace, "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", *words,
         sys.executable, "-m", "khgen", *arguments],
        cwd=cwd, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    if "ptrace" in done.stderr.lower():
        unavailable(f"strace cannot trace here: {done.stderr.strip()}")
    return done.returncode, done.stderr


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


NO_LINKS = ("link,linkat:error=EPERM",)
NO_NOREPLACE = (*NO_LINKS, "renameat2:error=EINVAL")


@pytest.mark.parametrize("faults", [NO_LINKS, NO_NOREPLACE])
def test_without_hard_links_all_is_the_same(spec: Path, faults: tuple[str, ...]) -> None:
    folder = spec.parent
    assert injected(faults, "render", "cluster.yaml", "--rootfs", cwd=folder) == (0, "")
    assert names(folder) == ["cluster.yaml", "out", SECRETS]
    assert stat.S_IMODE((folder / SECRETS).stat().st_mode) == 0o600
    whole = tree(folder / "out")
    modes = {p.relative_to(folder): p.stat().st_mode for p in folder.rglob("*")}
    assert injected(faults, "render", "cluster.yaml", "--rootfs", "--node", "w1", cwd=folder) == (
        0,
        "",
    )
    assert tree(folder / "out") == whole
    assert {p.relative_to(folder): p.stat().st_mode for p in folder.rglob("*")} == modes
    assert khgen("render", "cluster.yaml", "--rootfs", "-o", "two", cwd=folder).returncode == 0
    assert timeless(tree(folder / "two")) == timeless(whole)
    for command in (
        ("seed", "out"),
        ("seed", "out", "--node", "w1"),
        ("certs", "renew", "cluster.yaml"),
    ):
        assert injected(faults, *command, cwd=folder) == (0, "")


def test_one_of_two_first_renders_without_links_makes_the_secrets(spec: Path) -> None:
    strace = require_program("strace")
    words = [word for fault in NO_NOREPLACE for word in ("-e", f"inject={fault}")]
    running = [
        subprocess.Popen(
            [strace, "-f", "-qq", "-o", "/dev/null", *words, sys.executable, "-m", "khgen",
             "render", "cluster.yaml", "-o", f"{number}/out"],
            cwd=spec.parent, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for number in range(4)
    ]  # fmt: skip
    assert [process.communicate(timeout=120)[1] for process in running] == [""] * 4
    assert len({tuple(timeless(tree(spec.parent / f"{n}/out")).values()) for n in range(4)}) == 1
    assert names(spec.parent) == ["0", "1", "2", "3", "cluster.yaml", SECRETS]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("flock:error=ENOLCK", "its file system has no locks (flock)"),
        ("flock:error=EOPNOTSUPP", "its file system has no locks (flock)"),
        ("renameat2:error=EBUSY", "out: is a mount point, so it cannot be replaced: name a folder in"),
        ("renameat2:error=EXDEV", "out: cannot be renamed, for it comes from the image below"),
        ("rename,renameat2:error=EROFS", "out: Read-only file system\n  hint: that place is read-"),
        ("mkdir:error=EDQUOT:when=3+", "out/nodes: Disk quota exceeded\n  hint: make room there"),
        ("mkdir:error=ENAMETOOLONG:when=3+", "out/nodes: File name too long\n  hint: the name is too long"),
    ],
)  # fmt: skip
def test_each_failure_names_the_file_and_a_way_out(rendered: Path, fault: str, said: str) -> None:
    before = tree(rendered)
    code, error = injected((fault,), "render", "cluster.yaml", "--rootfs", cwd=rendered)
    assert (code, error.count("error:")) == (3, 1), error
    assert said in error
    assert tree(rendered) == before


def test_files_stay_closed_if_no_mode_can_be_changed(spec: Path) -> None:
    code, error = injected(("fchmod,chmod:error=EPERM",), "render", "cluster.yaml", cwd=spec.parent)
    assert (code, error) == (0, "")
    for path in (spec.parent / "out").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_failed_second_rename_puts_the_old_output_back(rendered: Path) -> None:
    before = tree(rendered)
    faults = ("renameat2:error=EINVAL", "rename:error=EIO:when=2")
    code, error = injected(faults, "render", "cluster.yaml", "--rootfs", cwd=rendered)
    assert code == 3, error
    assert tree(rendered) == before
    assert names(rendered) == ["cluster.yaml", "out", SECRETS]


@pytest.mark.parametrize("source", ["elsewhere", "out"])
def test_an_output_that_is_a_mount_point_is_refused_and_the_hint_works(
    spec: Path, source: str
) -> None:
    folder = spec.parent
    for name in ("out", "elsewhere"):
        (folder / name).mkdir(exist_ok=True)
    script = f"mount --bind {source} out\nkhgen render cluster.yaml || echo $?\n"
    done = mounted(script + "khgen render cluster.yaml -o out/rendered", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3\n")
    assert f"{folder}/out: is a mount point, so it cannot be replaced: name a" in done.stderr
    assert f"-o {folder}/out/rendered" in done.stderr
    assert (folder / source / "rendered" / "manifest.json").is_file()


def test_an_output_on_a_mount_with_a_blank_in_its_name(spec: Path) -> None:
    (spec.parent / "my out").mkdir()
    done = mounted(
        "mount --bind 'my out' 'my out'\nkhgen render cluster.yaml -o 'my out'", spec.parent
    )
    assert done.returncode == 3
    assert "is a mount point" in done.stderr
    assert names(spec.parent) == ["cluster.yaml", "my out"]


READ_ONLY = "mount --bind {0} {0}\nmount -o remount,ro,bind {0}\n"


def test_a_read_only_output_folder_names_it(spec: Path) -> None:
    (spec.parent / "place").mkdir()
    script = READ_ONLY.format("place") + "khgen render cluster.yaml -o place/out"
    done = mounted(script, spec.parent)
    assert done.returncode == 3
    assert "place/out: Read-only file system\n  hint: that place is read-only: name" in done.stderr
    assert names(spec.parent) == ["cluster.yaml", "place"]


def test_a_read_only_spec_folder_names_the_secrets_file(tmp_path: Path) -> None:
    (tmp_path / "spec").mkdir()
    (tmp_path / "spec/cluster.yaml").write_text(SMALL_SPEC)
    script = READ_ONLY.format("spec") + "khgen render spec/cluster.yaml || echo $?\nls\n"
    done = mounted(script + "khgen render spec/cluster.yaml --secrets s.yaml", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3\nspec\n"), "nothing was written"
    assert f"error: spec/{SECRETS}: Read-only file system\n  hint: that place" in done.stderr


def test_a_read_only_temporary_folder_does_not_matter(spec: Path) -> None:
    script = "mkdir ro\n" + READ_ONLY.format("ro") + "TMPDIR=$PWD/ro khgen render cluster.yaml"
    assert mounted(script, spec.parent).returncode == 0


def test_a_secrets_file_that_is_mounted_by_itself_says_so(rendered: Path) -> None:
    script = f"mount --bind {SECRETS} {SECRETS}\nkhgen certs renew cluster.yaml"
    done = mounted(script, rendered)
    assert done.returncode == 3
    assert f"{SECRETS}: is mounted by itself, so it cannot be replaced: mount the" in done.stderr


EXFAT = """
truncate --size 16M ../image && mkfs.exfat ../image >/dev/null
device=$(losetup --find --show ../image)
mkdir -p disk
mount.exfat-fuse {options} "$device" disk >/dev/null
trap 'umount disk; losetup --detach "$device"' EXIT
"""


@pytest.mark.parametrize("closed", [True, False])
def test_exfat_has_no_links_no_exchange_and_no_modes(tmp_path: Path, *, closed: bool) -> None:
    require_program("mkfs.exfat")
    require_program("mount.exfat-fuse")
    work = tmp_path / "work"
    work.mkdir()
    (work / "cluster.yaml").write_text(SMALL_SPEC)
    commands = """
cp cluster.yaml disk/
khgen render disk/cluster.yaml -o disk/out
khgen render disk/cluster.yaml -o disk/out
khgen render disk/cluster.yaml -o disk/out --node w1
khgen seed disk/out -o disk/seeds
khgen certs renew disk/cluster.yaml
khgen diff disk/cluster.yaml -o disk/out >/dev/null || [ $? = 2 ]
"""
    ends = "ls -A disk\n[ ! -e disk/out ] || khgen render disk/cluster.yaml -o two\n"
    if not closed:
        commands = "cp cluster.yaml disk/\nkhgen render disk/cluster.yaml -o disk/out || true\n"
        commands += "khgen render disk/cluster.yaml -o out || true\n"
    options = "-o umask=077" if closed else ""
    done = mounted(EXFAT.format(options=options) + commands + ends, work)
    if "losetup" in done.stderr or "fuse" in done.stderr:
        unavailable(done.stderr)
    assert done.returncode == 0, done.stderr
    if closed:
        assert f"\ncluster.yaml\nout\nseeds\n{SECRETS}\n" in done.stdout
        return
    assert done.stdout == "cluster.yaml\n"
    assert "disk/out: is on a file system that keeps no modes, so others could" in done.stderr
    assert f"disk/{SECRETS}: its file system keeps no modes, so others could" in done.stderr
    assert names(work) == ["cluster.yaml", "disk"]


def test_no_file_of_a_render_differs_from_another_by_case_alone(rendered: Path) -> None:
    paths = [str(path) for path in rendered.rglob("*")]
    assert len({path.casefold() for path in paths}) == len(paths)


def test_a_full_disk_leaves_all_as_it_was() -> None:
    require_namespaces()
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", sys.executable, FULL_DISK, "--step", "256"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 faults" in done.stdout
