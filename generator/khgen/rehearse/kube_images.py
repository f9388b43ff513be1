"""The images that kubeadm wants, made of a folder of Kubernetes binaries and the root directory."""

import re
from collections.abc import Iterator
from pathlib import Path

from khgen.rehearse.image_archive import Image
from khgen.rehearse.programs import run

CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
IPTABLES = (
    *("iptables", "iptables-save", "iptables-restore"),
    *("ip6tables", "ip6tables-save", "ip6tables-restore"),
)
PAUSE = ("/bin/busybox", "sleep", "2147483647")
"""Holds a pod's namespaces; containerd ends it with SIGKILL, so it need not handle signals."""
COREDNS = "/bin/busybox httpd -p 8080 -h /www; exec /bin/busybox httpd -f -p 8181 -h /www"
"""Answers coredns' two probes, and no names: kubeadm's addon is there, its program is not."""


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
    """What these programs of the root directory are linked to, the loader too."""
    inside = [f"/{program.relative_to(rootfs)}" for program in programs]
    text = run(["chroot", rootfs, "ldd", *inside])
    paths = sorted(set(re.findall(r"(/\S+?)(?: \(|$)", text, re.MULTILINE)))
    found = {}
    for path in paths:
        real = Path(run(["chroot", rootfs, "readlink", "-f", path]).strip())
        found[path] = rootfs / real.relative_to("/")
    return {path: source for path, source in found.items() if ".so" in path}
