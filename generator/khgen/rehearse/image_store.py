"""containerd's folder with images in it, made once on a local host and linked into each other."""

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from khgen.rehearse.image_archive import Image, write_archive
from khgen.rehearse.local_host import Ground, LocalHost
from khgen.rehearse.programs import ProgramError
from khgen.rehearse.rootfs import cache_folder, locked
from khgen.rehearse.waiting import wait_until

CONTAINERD = "/var/lib/containerd"
ARCHIVES = "/var/lib/khgen-images"
BARE = {
    "/etc/cloud/cloud-init.disabled": b"",
    # An empty unit is a masked one (systemd.unit(5)); this host has no address to wait for.
    "/etc/systemd/system/systemd-networkd-wait-online.service": b"",
}


def image_store(ground: Ground, images: Iterable[Image]) -> Path:
    """A folder for /var/lib/containerd that has these images, from the cache if it is there."""
    wanted = tuple(images)
    identity = f"{ground.rootfs.name} {[_identity(image) for image in wanted]}"
    folder = cache_folder() / f"images-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    with locked(folder):
        if not folder.is_dir():
            _import(ground, wanted, folder)
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


def _import(ground: Ground, images: tuple[Image, ...], folder: Path) -> None:
    host = LocalHost(name="khgen-images", ground=ground, own_disks=(CONTAINERD, ARCHIVES))
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
        message = f"containerd did not take {', '.join(sorted(missing))}"
        raise ProgramError(message)
    host.run("systemctl", "stop", "containerd")
    host.power_cut()
    os.sync()
    host.disk(CONTAINERD).rename(folder)
    shutil.rmtree(host.folder)
