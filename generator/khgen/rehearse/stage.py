"""The stage of a rehearsal: room, bridge, disks and hosts, all gone when it is left."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from khgen.rehearse.cgroups import Cgroups
from khgen.rehearse.host_layer import write_layer
from khgen.rehearse.image_store import CONTAINERD, image_store, link_store
from khgen.rehearse.kube_images import kube_images, wanted_images
from khgen.rehearse.local_host import OWN_DISKS, Ground, LocalHost
from khgen.rehearse.network import Network
from khgen.rehearse.programs import ProgramError, run
from khgen.rehearse.replaced import Rehearsal
from khgen.rehearse.room import Room
from khgen.rehearse.rootfs import cache_folder, rootfs
from khgen.render import ClusterRender, RenderedNode

NODE_PROGRAMS = ("kubeadm", "kubelet", "kubectl", "crictl")
PREFIX = "rehearsal-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where hosts can be set up."""

    ground: Ground
    store: Path | None
    """containerd's folder with the images of Kubernetes, if there are any."""

    def host(self, node: RenderedNode, data_dir: str) -> LocalHost:
        """A machine with a fresh disk and the node's seed, still without power."""
        disks = tuple(dict.fromkeys((*OWN_DISKS, data_dir)))
        host = LocalHost(name=node.node.name, ground=self.ground, own_disks=disks)
        host.install(seed_files(node), {})
        if self.store is not None:
            link_store(self.store, host.disk(CONTAINERD))
        return host


@contextmanager
def stage(
    rehearsal: Rehearsal,
    cluster: ClusterRender,
    programs: Path,
    root: Path | None = None,
    cpus: float | None = None,
) -> Iterator[Stage]:
    """A stage for that cluster, with Kubernetes from the folder `programs`.

    Each host has at most that share of `cpus`; without it, all that this machine has.
    """
    base = root or rootfs()
    with ExitStack() as stack:
        folder = _folder(stack)
        layer = folder / "layer"
        layer.mkdir()
        write_layer(layer, [n for n in NODE_PROGRAMS if (programs / n).exists()])
        cgroups = Cgroups(cpus)
        stack.callback(cgroups.close)
        room = stack.enter_context(Room())
        ground = Ground(
            room=room,
            network=Network(room, rehearsal.gateways),
            cgroups=cgroups,
            rootfs=base,
            folder=folder,
            layer=layer,
            programs=programs.resolve(),
        )
        yield Stage(ground=ground, store=_store(ground, cluster, programs))


def seed_files(node: RenderedNode) -> Mapping[str, bytes]:
    """The NoCloud seed of a node."""
    files = {"user-data": node.user_data.delivered, "meta-data": node.meta_data.encode()}
    if node.network_config is not None:
        files["network-config"] = node.network_config.encode()
    return files


def is_real(programs: Path) -> bool:
    """Whether the folder holds Kubernetes itself, not a stand-in for the nodes' programs."""
    return (programs / "kube-apiserver").exists()


def _store(ground: Ground, cluster: ClusterRender, programs: Path) -> Path | None:
    if not is_real(programs):
        return None
    plan = cluster.plan
    found = run([programs / "kubeadm", "version", "-o", "short"]).strip()
    if found != plan.version.tag:
        message = f"{programs} has kubeadm {found}, and the spec wants Kubernetes {plan.version}"
        raise ProgramError(message)
    repository = plan.spec.kubernetes.image_repository
    names = wanted_images(programs, str(plan.version), repository)
    names["pause"] = plan.images.pause
    images = kube_images(programs, ground.rootfs, names, plan.images.etcd)
    return image_store(ground, images)


def _folder(stack: ExitStack) -> Path:
    """The rehearsal's own folder in the cache; those of killed rehearsals are removed."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    for old in cache.glob(f"{PREFIX}*"):
        match = re.fullmatch(f"{PREFIX}([0-9]+)", old.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            shutil.rmtree(old, ignore_errors=True)
    folder = cache / f"{PREFIX}{os.getpid()}"
    folder.mkdir(mode=0o700)
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder
