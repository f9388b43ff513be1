"""The rendered files of every example, checked by the programs that read them on the nodes."""

import tomllib
from pathlib import Path

import pytest

from support.programs import assert_accepts, require_namespaces, require_program, run
from support.rendering import EXAMPLES, example_render
from support.rootfs import one_of_each_kind, write_rootfs

pytestmark = pytest.mark.tools
each_example = pytest.mark.parametrize("example", EXAMPLES)
SHEBANGS = ("#!/bin/sh\n", "#!/bin/bash\n")
STAND_INS = (
    "network-online.target",
    "multi-user.target",
    "cloud-config.service",
    "containerd.service",
    "sysinit.target",
    "basic.target",
)


def rootfs_folders(example: str, folder: Path) -> list[Path]:
    render = example_render(example)
    return [
        write_rootfs(render.node(node).files, folder / node.name)
        for node in one_of_each_kind(render)
    ]


def found(example: str, folder: Path, name: str) -> list[Path]:
    return [root / name for root in rootfs_folders(example, folder) if (root / name).exists()]


@each_example
def test_haproxy_takes_its_configuration(example: str, tmp_path: Path) -> None:
    program = require_program("haproxy")
    files = found(example, tmp_path, "etc/khgen/haproxy.cfg")
    assert bool(files) == bool(example_render(example).plan.load_balancers)
    for file in files:
        output = assert_accepts([program, "-c", "-f", file])
        assert "WARNING" not in output, output


@each_example
def test_keepalived_takes_its_configuration(example: str, tmp_path: Path) -> None:
    """In a network namespace of its own, which has the interface that the file names."""
    require_namespaces()
    program = require_program("keepalived")
    judge = """
      set -e
      ip link set lo up
      ip link add "$3" type bridge
      ip address add "$4" dev "$3"
      ip link set "$3" up
      mount -t tmpfs tmpfs /run
      mkdir -p /run/usr
      mount -t overlay overlay -o "lowerdir=$2/usr:/usr" /usr
      exec "$1" --config-test --log-console --use-file "$2/etc/khgen/keepalived.conf"
    """
    render = example_render(example)
    for node in render.plan.load_balancers:
        root = write_rootfs(render.node(node).files, tmp_path / node.name)
        file = root / "etc/khgen/keepalived.conf"
        interface = "lan0" if node.interface == "auto" else node.interface
        file.write_text(file.read_text().replace("@INTERFACE@", interface))
        arguments = [program, str(root), interface, str(node.address)]
        output = assert_accepts(["unshare", "-nm", "bash", "-c", judge, "judge", *arguments])
        assert output.strip() == ""


@each_example
def test_cloud_init_takes_the_user_data(example: str, tmp_path: Path) -> None:
    program = require_program("cloud-init")
    render = example_render(example)
    for node in one_of_each_kind(render):
        file = tmp_path / f"{node.name}.yaml"
        file.write_bytes(render.node(node).user_data.text)
        output = assert_accepts([program, "schema", "-c", file])
        assert "deprecat" not in output.lower(), output


@each_example
def test_shellcheck_has_nothing_to_say_about_the_scripts(example: str, tmp_path: Path) -> None:
    program = require_program("shellcheck")
    scripts = {
        path.read_text(): path
        for root in rootfs_folders(example, tmp_path)
        for path in root.rglob("*")
        if path.is_file() and path.read_text().startswith(SHEBANGS)
    }
    assert len(scripts) > 5
    assert_accepts([program, "--exclude=SC1091", *scripts.values()], seconds=120)


@each_example
def test_containerd_takes_its_configuration(example: str, tmp_path: Path) -> None:
    program = require_program("containerd")
    version = run([program, "--version"]).stdout
    files = found(example, tmp_path, "etc/containerd/config.toml")
    assert files
    for file in files:
        said = tomllib.loads(file.read_text())
        # Debian 12's containerd 1.6 reads configuration versions 1 and 2.
        if said["version"] == 2 or " 2." in version:
            dumped = tomllib.loads(assert_accepts([program, "--config", file, "config", "dump"]))
            assert dumped["plugins"].keys() >= said["plugins"].keys()


@each_example
def test_every_toml_file_is_toml(example: str, tmp_path: Path) -> None:
    for root in rootfs_folders(example, tmp_path):
        for path in root.rglob("*.toml"):
            tomllib.loads(path.read_text())


@each_example
def test_chrony_takes_its_configuration(example: str, tmp_path: Path) -> None:
    program = require_program("chronyd")
    for name in ("etc/chrony/chrony.conf", "etc/chrony.conf"):
        for file in found(example, tmp_path, name):
            assert_accepts([program, "-p", "-f", file])


@each_example
def test_systemd_takes_the_units(example: str, tmp_path: Path) -> None:
    """Against a root that has each unit's program as an empty executable, and targets to order by."""
    for root in rootfs_folders(example, tmp_path):
        units = _prepare_for_verify(root)
        assert "khgen-boot.service" in units
        assert _verify(root, units) == (0, "")


def test_systemd_can_say_no(tmp_path: Path) -> None:
    root = rootfs_folders(EXAMPLES[0], tmp_path)[0]
    boot = root / "etc/systemd/system/khgen-boot.service"
    boot.write_text(boot.read_text().replace("ExecStart=", "ExecStrat="))
    assert "Unknown key" in _verify(root, _prepare_for_verify(root))[1]


def _verify(root: Path, units: list[str]) -> tuple[int, str]:
    program = require_program("systemd-analyze")
    done = run([program, "verify", "--man=no", f"--root={root}", *units])
    return done.returncode, (done.stdout + done.stderr).strip()


def _prepare_for_verify(root: Path) -> list[str]:
    own, distribution = root / "etc/systemd/system", root / "usr/lib/systemd/system"
    units = sorted(path.name for path in own.glob("*.service"))
    distribution.mkdir(parents=True, exist_ok=True)
    for name in STAND_INS:
        if name not in units:
            service = "[Service]\nExecStart=/bin/true\n" if name.endswith(".service") else ""
            text = f"[Unit]\nDescription=stand-in\nDefaultDependencies=no\n{service}"
            (distribution / name).write_text(text)
    for folder in (own, distribution):
        for path in folder.rglob("*"):
            if path.is_file():
                _executables(path, root)
    return units


def _executables(unit: Path, root: Path) -> None:
    for line in unit.read_text().splitlines():
        name, _, command = line.partition("=")
        program = command.lstrip("-+!@:").split(" ")[0]
        if name.startswith("Exec") and program.startswith("/"):
            path = root / program.lstrip("/")
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                _empty_program(path)


def _empty_program(path: Path) -> None:
    path.write_text("")
    path.chmod(0o755)


def test_the_judges_can_say_no(tmp_path: Path) -> None:
    """A damaged file is refused, so the tests above can fail."""
    bad = tmp_path / "bad"
    bad.write_text("#cloud-config\nwrite_files: 7\n")
    with pytest.raises(AssertionError):
        assert_accepts([require_program("haproxy"), "-c", "-f", bad])
    with pytest.raises(AssertionError):
        assert_accepts([require_program("cloud-init"), "schema", "-c", bad])
