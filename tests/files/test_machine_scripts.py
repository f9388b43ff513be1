"""The install and prepare steps, run for real where that touches nothing of this machine."""

import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from khgen.resources import resource_folder
from support.boot_steps import MACHINE_STEPS
from support.programs import (
    SYSTEM_PATH,
    assert_accepts,
    require_namespaces,
    require_program,
    unavailable,
)

STEPS = resource_folder("templates") / "cloud-init" / "steps"

VERSIONS = {
    "kubeadm": "v1.29.6",
    "kubelet": "Kubernetes v1.29.6",
    "kubectl": "Client Version: v1.29.6\nKustomize Version: v5.0.4-0.20230601165947-6ce0bf390ce3",
    "containerd": "containerd github.com/containerd/containerd/v2 v2.0.2 c507a0257ea6462fbd6f5ba4f5",
}
"""What the programs answer when they are asked for their version."""

ROCKY_REPO = """\
[baseos]
mirrorlist=https://mirrors.rockylinux.org/mirrorlist?arch=$basearch&repo=BaseOS-$releasever
#baseurl=http://dl.rockylinux.org/$contentdir/$releasever/BaseOS/$basearch/os/
"""


def step(name: str, **values: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": SYSTEM_PATH, **values}
    command: list[str | Path] = [require_program("bash"), STEPS / f"{name}.sh"]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


def sandboxed(name: str, root: Path, *folders: str, **values: str) -> int:
    """Run a step with folders of `root` mounted over those of this machine, and no network."""
    require_namespaces()
    for folder in folders:
        (root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
    mounts = "".join(f"mount --bind {root}{folder} {folder} && " for folder in folders)
    command = [
        *(require_program("unshare"), "--net", "--mount", require_program("bash"), "-c"),
        f"{mounts} exec bash {STEPS / f'{name}.sh'}",
    ]
    environment = {**os.environ, "PATH": SYSTEM_PATH, **values}
    return subprocess.run(command, check=False, env=environment).returncode


@pytest.mark.tools
@pytest.mark.parametrize("name", MACHINE_STEPS)
def test_shellcheck_finds_nothing(name: str) -> None:
    assert_accepts([require_program("shellcheck"), STEPS / f"{name}.sh"])


@pytest.fixture
def image(tmp_path: Path) -> dict[str, str]:
    """A PATH with programs that answer like the real ones."""
    for name, answer in VERSIONS.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{answer}'\n")
        program.chmod(0o755)
    return {"PATH": f"{tmp_path}:{SYSTEM_PATH}"}


def test_an_image_that_has_everything(image: dict[str, str]) -> None:
    wanted = "kubeadm=1.29.6 kubelet=1.29.6 kubectl=1.29.6 containerd=2 containerd=2.0 bash"
    done = step("install-image", **image, PROGRAMS=wanted)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_image_that_lacks_several_things_says_all_of_them(image: dict[str, str]) -> None:
    wanted = "kubeadm=1.29.60 kubelet=1.29 containerd=1.7 no-such-program"
    done = step("install-image", **image, PROGRAMS=wanted)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "the image has v1.29.6, the spec wants kubeadm=1.29.60",
        f"the image has {VERSIONS['containerd']}, the spec wants containerd=1.7",
        "the image lacks no-such-program",
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with one archive and one program to download."""
    (tmp_path / "etc/khgen").mkdir(parents=True)
    served = tmp_path / "srv"
    (served / "tree/bin").mkdir(parents=True)
    (served / "tree/bin/containerd").write_text("new")
    with tarfile.open(served / "c.tar.gz", "w:gz") as archive:
        archive.add(served / "tree/bin", "bin")
    (served / "runc").write_text("runc")
    old = tmp_path / "usr/local/bin/containerd"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    lines = (
        f"{hashlib.sha256((served / file).read_bytes()).hexdigest()} {target} file:///srv/{file}\n"
        for file, target in (("c.tar.gz", "/usr/local/"), ("runc", "/usr/local/sbin/runc"))
    )
    (tmp_path / "etc/khgen/downloads").write_text("".join(lines))
    return tmp_path


@pytest.mark.tools
def test_downloads_are_installed_once(root: Path) -> None:
    require_program("curl")
    folders = ("/etc", "/usr/local", "/srv")
    assert sandboxed("install-downloads", root, *folders) == 0
    assert (root / "usr/local/bin/containerd").read_text() == "new"
    assert (root / "usr/local/sbin/runc").stat().st_mode & 0o777 == 0o755
    assert not list(root.glob("usr/local/**/.khgen"))
    shutil.rmtree(root / "srv")  # the network is gone
    assert sandboxed("install-downloads", root, *folders) == 0


@pytest.mark.tools
def test_a_download_with_another_digest_changes_nothing(root: Path) -> None:
    require_program("curl")
    with (root / "srv/c.tar.gz").open("ab") as archive:
        archive.write(b"x")
    assert sandboxed("install-downloads", root, "/etc", "/usr/local", "/srv") != 0
    assert (root / "usr/local/bin/containerd").read_text() == "old"
    assert not (root / "usr/local/sbin/runc").exists()


@pytest.mark.tools
@pytest.mark.parametrize(
    "mirror",
    [
        "https://m.example.org/rockylinux",
        "https://m.example.org/a!b&c/~d@e=f+g,h%2Ci:j?k",
        "https://m.example.org/rocky...",
        "https://[fd00::1]:8080/&&!!",
    ],
)
def test_rpm_mirror_replaces_the_mirror_list(mirror: str, tmp_path: Path) -> None:
    repo = tmp_path / "etc/yum.repos.d/rocky.repo"
    repo.parent.mkdir(parents=True)
    repo.write_text(ROCKY_REPO)
    for _ in range(2):
        assert sandboxed("prepare-mirror-rpm", tmp_path, "/etc", PACKAGE_MIRROR=mirror) == 0
        assert repo.read_text().splitlines()[1:] == [
            f"#{ROCKY_REPO.splitlines()[1]}",
            f"baseurl={mirror}/$releasever/BaseOS/$basearch/os/",
        ]


@pytest.mark.tools
def test_deb_mirror_replaces_the_default_sources(tmp_path: Path) -> None:
    apt = tmp_path / "etc/apt"
    (apt / "sources.list.d").mkdir(parents=True)
    for name in ("sources.list", "sources.list.d/debian.sources", "sources.list.d/khgen.list"):
        (apt / name).write_text(name)
    for _ in range(2):
        assert sandboxed("prepare-mirror-deb", tmp_path, "/etc") == 0
        left = sorted(path.name for path in apt.rglob("*") if path.is_file())
        assert left == ["debian.sources.disabled", "khgen.list", "sources.list.disabled"]


SERVE = """
ip link set lo up
python3 -m http.server --directory {root}/srv --bind 127.0.0.1 8099 &>/dev/null &
trap "kill $!" EXIT
until curl -sf -o /dev/null http://127.0.0.1:8099/key; do sleep 0.1; done
"""
KEY_FOLDERS = {"install-deb": "/etc/apt/keyrings", "install-rpm": "/etc/pki/rpm-gpg"}
KEY_FILES = {"install-deb": "docker.asc", "install-rpm": "RPM-GPG-KEY-khgen-docker"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A key on a web server, and package managers that only say that their turn has come."""
    (tmp_path / "srv").mkdir()
    (tmp_path / "srv/key").write_text("a key\n")
    (tmp_path / "bin").mkdir()
    for name in ("apt-get", "dnf"):
        program = tmp_path / "bin" / name
        program.write_text("#!/bin/sh\necho packages; exit 9\n")
        program.chmod(0o755)
    (tmp_path / "bin/rpm").write_text("#!/bin/sh\n")
    (tmp_path / "bin/rpm").chmod(0o755)
    (tmp_path / "bin/apt-mark").write_text('#!/bin/sh\necho "$*"\n')
    (tmp_path / "bin/apt-mark").chmod(0o755)
    return tmp_path


def install(
    name: str, root: Path, key: str, wanted: str = "no-such-package=1", *, runs: bool = False
) -> subprocess.CompletedProcess[str]:
    """The step with an /etc of its own, in a network that has the web server alone.

    Where it `runs` as a Node, kubeadm has written the kubelet's configuration.
    """
    require_namespaces()
    folder = KEY_FOLDERS[name]
    (root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
    script = f"{SERVE.format(root=root)}mount --bind {root}/etc /etc\nbash {STEPS / f'{name}.sh'}"
    if runs:
        living = "mount -t tmpfs tmpfs /var/lib; mkdir /var/lib/kubelet"
        script = f"{living}; echo x >/var/lib/kubelet/config.yaml\n{script}"
    values = {"PACKAGES": wanted, "REPOSITORY_KEYS": f"docker={key}"}
    path = f"{root}/bin:{SYSTEM_PATH}"
    return subprocess.run(
        [require_program("unshare"), "--net", "--mount", "bash", "-c", script],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": path, **values},
    )


@pytest.mark.tools
@pytest.mark.parametrize("name", KEY_FOLDERS)
def test_a_key_with_the_pinned_digest_is_installed_before_any_package(
    name: str, repository: Path
) -> None:
    if name == "install-deb" and not Path("/usr/lib/apt/apt-helper").exists():
        unavailable("apt-helper is not installed")
    digest = hashlib.sha256(b"a key\n").hexdigest()
    done = install(name, repository, f"http://127.0.0.1:8099/key#{digest}")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (9, "packages"), done.stderr
    there = repository / KEY_FOLDERS[name].lstrip("/") / KEY_FILES[name]
    assert there.read_text() == "a key\n"


@pytest.mark.tools
@pytest.mark.parametrize("name", KEY_FOLDERS)
def test_a_key_with_another_digest_stops_the_step(name: str, repository: Path) -> None:
    if name == "install-deb" and not Path("/usr/lib/apt/apt-helper").exists():
        unavailable("apt-helper is not installed")
    url = "http://127.0.0.1:8099/key"
    done = install(name, repository, f"{url}#{'0' * 64}")
    assert done.returncode == 1
    last = done.stdout.splitlines()[-1]
    assert last == f"no key with the digest that the spec pins at {url}"
    assert not (repository / KEY_FOLDERS[name].lstrip("/") / KEY_FILES[name]).exists()


@pytest.mark.tools
@pytest.mark.parametrize("name", KEY_FOLDERS)
@pytest.mark.parametrize("runs", [False, True])
def test_a_node_that_runs_keeps_its_kubelet(name: str, repository: Path, runs: bool) -> None:
    if name == "install-deb" and not Path("/usr/lib/apt/apt-helper").exists():
        unavailable("apt-helper is not installed")
    digest = hashlib.sha256(b"a key\n").hexdigest()
    key = f"http://127.0.0.1:8099/key#{digest}"
    done = install(name, repository, key, "kubelet=99.0.0-*", runs=runs)
    assert done.returncode == (0 if runs else 9), done.stdout + done.stderr


def known_to_dpkg(root: Path, script: str) -> None:
    query = root / "bin/dpkg-query"
    query.write_text(f"#!/bin/bash\n{script}\n")
    query.chmod(0o755)


DPKG_LIST = r"""
for known in installed,kubelet,1.29.6-1.1 installed,haproxy-doc,2.6 config-files,curl,7.88; do
  IFS=, read -r state name version <<<"$known"
  format=${2//'${db:Status-Status}'/$state}
  format=${format//'${Package}'/$name}
  printf "${format//'${Version}'/$version}"
done
"""
"""dpkg-query, as far as the format that it is given goes."""


@pytest.mark.tools
@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        ("kubelet=1.29.6-*", "hold kubelet"),
        ("kubelet haproxy-doc", ""),
        ("kubelet=1.29.*", "hold kubelet"),
    ],
)
def test_installed_packages_are_held_and_not_installed_again(
    repository: Path, wanted: str, held: str
) -> None:
    known_to_dpkg(repository, DPKG_LIST)
    done = install("install-deb", repository, "http://127.0.0.1:8099/nothing", wanted)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, held, "")


@pytest.mark.tools
@pytest.mark.parametrize("wanted", ["kubelet=1.29.60-*", "haproxy", "curl", "kubelet=1.30.*"])
def test_a_package_that_is_not_installed_as_wanted_is_missing(
    repository: Path, wanted: str
) -> None:
    known_to_dpkg(repository, DPKG_LIST)
    done = install("install-deb", repository, "file:///dev/null", wanted)
    assert done.returncode == 9, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "packages"


@pytest.mark.tools
def test_dpkgs_own_error_is_shown_and_stops_the_step(repository: Path) -> None:
    known_to_dpkg(repository, "echo 'dpkg-query: error: parsing file status' >&2; exit 2")
    done = install("install-deb", repository, "http://127.0.0.1:8099/nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert "parsing file status" in done.stderr


@pytest.mark.tools
def test_a_node_that_runs_downloads_no_other_kubelet(root: Path) -> None:
    require_program("curl")
    (root / "var/lib/kubelet").mkdir(parents=True)
    (root / "var/lib/kubelet/config.yaml").write_text("x\n")
    digest = hashlib.sha256((root / "srv/runc").read_bytes()).hexdigest()
    line = f"{digest} /usr/local/bin/kubelet file:///srv/runc\n"
    (root / "etc/khgen/downloads").write_text(line)
    folders = ("/etc", "/usr/local", "/srv")
    assert sandboxed("install-downloads", root, *folders, "/var/lib") == 0
    assert not (root / "usr/local/bin/kubelet").exists()
    assert sandboxed("install-downloads", root, *folders) == 0
    assert (root / "usr/local/bin/kubelet").exists()


@pytest.mark.tools
def test_an_apt_key_that_nobody_pinned_is_taken_as_it_is(repository: Path) -> None:
    if not Path("/usr/lib/apt/apt-helper").exists():
        unavailable("apt-helper is not installed")
    done = install("install-deb", repository, "http://127.0.0.1:8099/key")
    assert done.stdout.splitlines()[-1] == "packages", done.stderr
    assert (repository / "etc/apt/keyrings/docker.asc").read_text() == "a key\n"


@pytest.fixture
def console(tmp_path: Path) -> Path:
    """A machine whose kubelet has rotated its identity, and root's empty home."""
    (tmp_path / "root").mkdir()
    pki = tmp_path / "var/lib/kubelet/pki"
    pki.mkdir(parents=True)
    for name in ("kubelet-client-khgen.pem", "kubelet-client-current.pem"):
        (pki / name).touch()
    (tmp_path / "etc/kubernetes").mkdir(parents=True)
    return tmp_path


@pytest.mark.tools
def test_roots_kubectl_finds_the_cluster_on_a_control_plane(console: Path) -> None:
    (console / "etc/kubernetes/admin.conf").write_text("admin")
    for _ in range(2):
        assert sandboxed("identity", console, "/root", "/etc", "/var/lib") == 0
        assert (console / "root/.kube/config").readlink() == Path("/etc/kubernetes/admin.conf")
        assert (console / "root/.kube").stat().st_mode & 0o777 == 0o700


@pytest.mark.tools
def test_roots_own_kubeconfig_is_left_alone(console: Path) -> None:
    (console / "etc/kubernetes/admin.conf").write_text("admin")
    (console / "root/.kube").mkdir()
    (console / "root/.kube/config").write_text("mine")
    assert sandboxed("identity", console, "/root", "/etc", "/var/lib") == 0
    assert (console / "root/.kube/config").read_text() == "mine"


@pytest.mark.tools
def test_a_worker_has_no_kubeconfig_for_root(console: Path) -> None:
    assert sandboxed("identity", console, "/root", "/etc", "/var/lib") == 0
    assert not (console / "root/.kube").exists()
