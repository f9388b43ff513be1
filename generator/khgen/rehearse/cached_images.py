"""What the hosts of a rehearsal start from: their root directory, and Kubernetes' container images.

The root directory is Debian. It is built once and kept in the user's cache; all hosts share it.
The container images are made from a folder of Kubernetes binaries and imported into a folder of
containerd. Archives have the form that `ctr images import` reads (Docker's image spec 1.2).
"""

import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from khgen.facts.distributions import OsFamily, distribution
from khgen.rehearse.local_host import LocalHost, Testbed
from khgen.rehearse.processes import ProgramError, run, wait_until
from khgen.resources import resource_folder

DISTRIBUTION = distribution(OsFamily.DEBIAN, "13")
"""The distribution of the hosts."""
PACKAGES = (
    "systemd", "systemd-sysv", "systemd-resolved", "dbus", "udev", "cloud-init", "netplan.io",
    "netbase", "openssh-server", "iproute2", "iputils-ping", "iptables", "nftables", "ethtool", "conntrack", "socat",
    "curl", "ca-certificates", "python3", "procps", "kmod", "jq", "sudo", "util-linux",
    "keepalived", "haproxy", "etcd-server", "etcd-client", "containerd", "runc", "busybox-static",
    "containernetworking-plugins",
)  # fmt: skip
"""A cloud image of Debian, and the programs that nodes run besides Kubernetes."""
DEFAULT_MIRROR = "http://deb.debian.org/debian"


def cache_folder() -> Path:
    """$KHGEN_CACHE, or else khgen's folder in the user's cache."""
    named = os.environ.get("KHGEN_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "khgen"


def rootfs(suite: str = DISTRIBUTION.codename) -> Path:
    """The root directory of that suite of Debian; built if it is missing (a minute or two)."""
    prepare = resource_folder("templates") / "rehearse" / "prepare-rootfs.sh"
    recipe = f"{suite} {PACKAGES} {prepare.read_text(encoding='utf-8')}"
    folder = cache_folder() / f"rootfs-{suite}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        if not folder.is_dir():
            _build(suite, folder, prepare)
    return folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock that folder of the cache, so that only one process at a time makes it."""
    with Path(f"{folder}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(suite: str, folder: Path, prepare: Path) -> None:
    if os.geteuid() != 0:
        raise ProgramError("building a root directory needs root")  # noqa: EM101
    staging = Path(f"{folder}.new")
    shutil.rmtree(staging, ignore_errors=True)
    excluded = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")
    command = [
        *("mmdebstrap", "--quiet", "--variant=minbase", "--mode=root"),
        *("--include", ",".join(PACKAGES), '--aptopt=APT::Install-Recommends "false"'),
        *(f"--dpkgopt=path-exclude={path}" for path in excluded),
        f"--customize-hook={prepare}",
        *(suite, str(staging), mirror()),
    ]
    run(command)
    staging.rename(folder)


def mirror() -> str:
    """The Debian mirror in this machine's apt configuration."""
    for path in sorted(Path("/etc/apt").glob("sources.list*")):
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        for file in files:
            text = file.read_text(encoding="utf-8", errors="replace")
            pattern = r"^(?:URIs:|deb(?: \[[^]]*\])?)\s+(https?://\S*/debian/?)(?:\s|$)"
            found = re.search(pattern, text, re.MULTILINE)
            if found:
                return found[1]
    return DEFAULT_MIRROR


FOLDERS = ("tmp", "proc", "sys", "dev", "etc", "run", "var")
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
IPTABLES = (
    *("iptables", "iptables-save", "iptables-restore"),
    *("ip6tables", "ip6tables-save", "ip6tables-restore"),
)
PAUSE = ("/bin/busybox", "sleep", "2147483647")
"""Holds a pod's namespaces; containerd ends it with SIGKILL, so it need not handle signals."""
COREDNS = "/bin/busybox httpd -p 8080 -h /www; exec /bin/busybox httpd -f -p 8181 -h /www"
"""Answers coredns' two probes but no DNS query: the rehearsal has kubeadm's addon, not its program."""
CONTAINERD = "/var/lib/containerd"
ARCHIVES = "/var/lib/khgen-images"
BARE = {
    "/etc/cloud/cloud-init.disabled": b"",
    # An empty unit is a masked one (systemd.unit(5)); this host has no address to wait for.
    "/etc/systemd/system/systemd-networkd-wait-online.service": b"",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image's name, its programs by path, links, and what it runs."""

    name: str
    files: Mapping[str, Path]
    links: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()


class _Hashing(io.RawIOBase):
    """Hashes what is written through it."""

    def __init__(self, target: io.BufferedWriter) -> None:
        self._target = target
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.digest.update(data)
        return self._target.write(data)


def write_archive(image: Image, path: Path) -> None:
    """Write the image's archive."""
    layer = path.with_suffix(".layer")
    digest = _write_layer(image, layer)
    config = json.dumps(_config(image, digest)).encode()
    name = hashlib.sha256(config).hexdigest()
    manifest = {
        "Config": f"{name}.json",
        "RepoTags": [image.name],
        "Layers": [f"{digest}/layer.tar"],
    }
    with tarfile.open(path, "w") as archive:
        _add(archive, f"{name}.json", config)
        archive.add(layer, arcname=f"{digest}/layer.tar")
        _add(archive, "manifest.json", json.dumps([manifest]).encode())
    layer.unlink()


def _write_layer(image: Image, path: Path) -> str:
    with path.open("wb") as file:
        hashing = _Hashing(file)
        with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.GNU_FORMAT) as layer:
            for folder in sorted({*FOLDERS, *_parents((*image.files, *image.links))}):
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
                layer.addfile(entry)
            _add(layer, "etc/passwd", b"root:x:0:0::/:/bin/sh\n")
            for target, source in sorted(image.files.items()):
                entry = tarfile.TarInfo(target.strip("/"))
                entry.size, entry.mode = source.stat().st_size, 0o755
                with source.open("rb") as content:
                    layer.addfile(entry, content)
            for link, target in sorted(image.links.items()):
                entry = tarfile.TarInfo(link.strip("/"))
                entry.type, entry.linkname = tarfile.SYMTYPE, target
                layer.addfile(entry)
        return hashing.digest.hexdigest()


def _parents(paths: Iterable[str]) -> set[str]:
    return {
        str(parent) for path in paths for parent in Path(path.strip("/")).parents if parent.name
    }


def _config(image: Image, digest: str) -> dict[str, object]:
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    entry = {"Entrypoint": list(image.entrypoint)} if image.entrypoint else {}
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": [path], **entry},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created_by": "khgen rehearse"}],
    }


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def wanted_images(binaries: Path, version: str, repository: str) -> dict[str, str]:
    """Full name of each image that this kubeadm uses, by what it holds."""
    command = ("config", "images", "list", "--kubernetes-version", version)
    names = run([binaries / "kubeadm", *command, "--image-repository", repository]).split()
    return {re.sub(r":[^:/]*$", "", name).rpartition("/")[2]: name for name in names}


def kube_images(binaries: Path, rootfs: Path, names: dict[str, str], etcd: str) -> Iterator[Image]:
    """Each image; `etcd` is the name that the plan gives to etcd's."""
    busybox = rootfs / "usr/bin/busybox"
    for name in CONTROL_PLANE:
        yield Image(name=names[name], files={f"/usr/local/bin/{name}": binaries / name})
    yield Image(name=names["pause"], files={"/bin/busybox": busybox}, entrypoint=PAUSE)
    programs = {f"/usr/local/bin/{p}": rootfs / "usr/bin" / p for p in ("etcd", "etcdctl")}
    yield Image(name=etcd, files={**programs, **_libraries(rootfs, *programs.values())})
    yield _kube_proxy(binaries, rootfs, names["kube-proxy"])
    yield Image(
        name=names["coredns"],
        files={"/bin/busybox": busybox, "/www/health": _said_ok(), "/www/ready": _said_ok()},
        entrypoint=("/bin/busybox", "sh", "-c", COREDNS),
    )


def _said_ok() -> Path:
    return Path("/proc/sys/kernel/ostype")  # any small text


def _kube_proxy(binaries: Path, rootfs: Path, name: str) -> Image:
    tables, conntrack = rootfs / "usr/sbin/xtables-nft-multi", rootfs / "usr/sbin/conntrack"
    extensions = rootfs / "usr/lib/x86_64-linux-gnu/xtables"
    return Image(
        name=name,
        files={
            "/usr/local/bin/kube-proxy": binaries / "kube-proxy",
            "/usr/sbin/xtables-nft-multi": tables,
            "/usr/sbin/conntrack": conntrack,
            **{f"/usr/lib/x86_64-linux-gnu/xtables/{p.name}": p for p in extensions.glob("*.so")},
            **_libraries(rootfs, tables, conntrack),
        },
        links={f"/usr/sbin/{name}": "xtables-nft-multi" for name in IPTABLES},
    )


def _libraries(rootfs: Path, *programs: Path) -> dict[str, Path]:
    """The libraries that these programs of the root directory are linked to, with the loader."""
    inside = [f"/{program.relative_to(rootfs)}" for program in programs]
    text = run(["chroot", rootfs, "ldd", *inside])
    paths = sorted(set(re.findall(r"(/\S+?)(?: \(|$)", text, re.MULTILINE)))
    found = {}
    for path in paths:
        real = Path(run(["chroot", rootfs, "readlink", "-f", path]).strip())
        found[path] = rootfs / real.relative_to("/")
    return {path: source for path, source in found.items() if ".so" in path}


def image_store(testbed: Testbed, images: Iterable[Image]) -> Path:
    """A folder for /var/lib/containerd with these images, from the cache if it has one."""
    wanted = tuple(images)
    identity = f"{testbed.rootfs.name} {[_identity(image) for image in wanted]}"
    folder = cache_folder() / f"images-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    with locked(folder):
        if not folder.is_dir():
            _import(testbed, wanted, folder)
    return folder


def link_store(store: Path, target: Path) -> None:
    """Give a host its own store: content and snapshots never change, databases are copied."""
    for folder, names, files in os.walk(store):
        here = target / Path(folder).relative_to(store)
        here.mkdir(exist_ok=True)
        shutil.copystat(folder, here)
        for name in (*files, *(n for n in names if (Path(folder) / n).is_symlink())):
            source = Path(folder) / name
            if name.endswith(".db"):
                shutil.copy2(source, here / name)
            else:
                os.link(source, here / name, follow_symlinks=False)


def _identity(image: Image) -> str:
    files = [(path, s.stat().st_size, s.stat().st_mtime_ns) for path, s in image.files.items()]
    return f"{image.name} {files} {image.links} {image.entrypoint}"


def _import(testbed: Testbed, images: tuple[Image, ...], folder: Path) -> None:
    host = LocalHost(name="khgen-images", testbed=testbed, own_disks=(CONTAINERD, ARCHIVES))
    host.install({}, BARE)
    for number, image in enumerate(images):
        write_archive(image, host.disk(ARCHIVES) / f"{number}.tar")
    host.power_on()
    wait_until(lambda: host.tries("systemctl", "start", "containerd")[0] == 0, 60, "containerd")
    for number in range(len(images)):
        archive = f"{ARCHIVES}/{number}.tar"
        host.run("ctr", "-n", "k8s.io", "images", "import", archive, seconds=300)
    names = set(host.run("ctr", "-n", "k8s.io", "images", "ls", "-q").split())
    if missing := {image.name for image in images} - names:
        message = f"containerd did not import {', '.join(sorted(missing))}"
        raise ProgramError(message)
    host.run("systemctl", "stop", "containerd")
    host.power_cut()
    os.sync()
    host.disk(CONTAINERD).rename(folder)
    shutil.rmtree(host.folder)
