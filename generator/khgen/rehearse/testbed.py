"""The testbed of a rehearsal: namespaces, bridge, disks and hosts, all removed at the end.

It adds what khgen does not render: the files of the hosts' image, and the external load balancer.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from khgen.plan.cluster_plan import API_SERVER_PORT, Plan, host_port
from khgen.rehearse.cached_images import (
    CONTAINERD,
    Image,
    cache_folder,
    image_store,
    kube_images,
    link_store,
    rootfs,
    wanted_images,
)
from khgen.rehearse.local_host import OWN_DISKS, PROGRAMS, LocalHost, Testbed, put
from khgen.rehearse.namespaces import Cgroups, Namespaces, Network
from khgen.rehearse.processes import ProgramError, run
from khgen.rehearse.rehearsed_spec import Rehearsal, may_lower_oom_score
from khgen.render import RenderedNode
from khgen.resources import filled, resource_folder, verbatim

NODE_PROGRAMS = ("kubeadm", "kubelet", "kubectl", "crictl")
PREFIX = "rehearsal-"
CONFIGURATION = """
defaults
  mode tcp
  timeout connect 2s
  timeout client 30m
  timeout server 30m
frontend api
  bind {bind} v4v6
  default_backend control-planes
backend control-planes
  option httpchk GET /readyz
  default-server check check-ssl verify none inter 1s fall 2 rise 1
{servers}
"""
UNITS = "usr/lib/systemd/system"
POD_NETWORK = b"""{"cniVersion": "0.4.0", "name": "rehearsal", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "198.18.0.0/24"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
"""
"""A pod network within each host, because no addon is fetched (198.18/15: RFC 2544)."""


def new_host(testbed: Testbed, node: RenderedNode, data_dir: str) -> LocalHost:
    """A machine with a fresh disk and the node's seed; its power is off."""
    disks = tuple(dict.fromkeys((*OWN_DISKS, data_dir)))
    host = LocalHost(name=node.node.name, testbed=testbed, own_disks=disks)
    host.install(seed_files(node), {})
    if testbed.store is not None:
        link_store(testbed.store, host.disk(CONTAINERD))
    return host


@contextmanager
def open_testbed(
    rehearsal: Rehearsal,
    versions: Sequence[tuple[Plan, Path]],
    root: Path | None = None,
    cpus: float | None = None,
) -> Iterator[Testbed]:
    """A testbed for that cluster.

    `versions` has each plan that its hosts follow one after the other, with its folder of Kubernetes
    programs: hosts have the images of all, and from the start the programs of the first. `cpus` limits
    the processors of each host; without it, a host has all of this machine's.
    """
    base, programs = root or rootfs(), versions[0][1]
    with ExitStack() as stack:
        folder = _folder(stack)
        layer = folder / "layer"
        write_layer(layer, [n for n in NODE_PROGRAMS if (programs / n).exists()])
        cgroups = Cgroups(cpus)
        stack.callback(cgroups.close)
        namespaces = stack.enter_context(Namespaces())
        testbed = Testbed(
            namespaces=namespaces,
            network=Network(namespaces, rehearsal.gateways),
            cgroups=cgroups,
            rootfs=base,
            folder=folder,
            layer=layer,
            programs=programs.resolve(),
        )
        yield replace(testbed, store=_store(testbed, versions))


def seed_files(node: RenderedNode) -> Mapping[str, bytes]:
    """The NoCloud seed of a node."""
    files = {"user-data": node.user_data.delivered, "meta-data": node.meta_data.encode()}
    if node.network_config is not None:
        files["network-config"] = node.network_config.encode()
    return files


def is_real(programs: Path) -> bool:
    """Whether the folder holds Kubernetes itself, not a stand-in for the nodes' programs."""
    return (programs / "kube-apiserver").exists()


def _store(testbed: Testbed, versions: Iterable[tuple[Plan, Path]]) -> Path | None:
    """The images of each plan, from its own programs; None for stand-ins, which need none."""
    images = {
        image.name: image
        for plan, programs in versions
        if is_real(programs)
        for image in _images(testbed, plan, programs)
    }
    return image_store(testbed, images.values()) if images else None


def _images(testbed: Testbed, plan: Plan, programs: Path) -> Iterable[Image]:
    found = run([programs / "kubeadm", "version", "-o", "short"]).strip()
    if found != plan.version.tag:
        message = f"{programs} has kubeadm {found}, but the spec has Kubernetes {plan.version}"
        raise ProgramError(message)
    repository = plan.spec.kubernetes.image_repository
    names = wanted_images(programs, str(plan.version), repository)
    names["pause"] = plan.images.pause
    return kube_images(programs, testbed.rootfs, names, plan.images.etcd)


def _folder(stack: ExitStack) -> Path:
    """The rehearsal's own folder in the cache; folders of killed rehearsals are removed."""
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


def external_balancer(testbed: Testbed, plan: Plan) -> AbstractContextManager[None]:
    """The load balancer, if the cluster needs an external one."""
    return nullcontext() if plan.endpoint.vip is not None else _running(testbed, plan)


@contextmanager
def _running(testbed: Testbed, plan: Plan) -> Iterator[None]:
    folder = testbed.folder / "balancer"
    folder.mkdir()
    (folder / "haproxy.cfg").write_text(_configuration(plan), encoding="utf-8")
    # Only these namespaces see this mount; the hosts' overlays do not include it.
    testbed.namespaces.run("mount", "--bind", folder, testbed.rootfs / "mnt")
    command = ["chroot", str(testbed.rootfs), "haproxy", "-db", "-f", "/mnt/haproxy.cfg"]
    process = testbed.namespaces.start(command, folder / "log")
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _configuration(plan: Plan) -> str:
    servers = "\n".join(
        f"  server {node.name} {host_port(node.address, API_SERVER_PORT)}"
        for node in plan.control_planes
    )
    return CONFIGURATION.format(bind=f":::{plan.endpoint.port}", servers=servers)


def write_layer(folder: Path, programs: Iterable[str]) -> None:
    """Write the image's files below `folder`; `programs` are links to the hosts' Kubernetes folder."""
    source = resource_folder("templates") / "rehearse"
    put(folder / "usr/local/sbin/host-prep", source / "host-prep")
    put(folder / "usr/local/bin/crictl", source / "crictl")
    for name in programs:
        link = folder / "usr/local/bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(f"{PROGRAMS}/{name}")
    put(folder / UNITS / "host-prep.service", source / "host-prep.service")
    wanted = folder / "etc/systemd/system/sysinit.target.wants/host-prep.service"
    wanted.parent.mkdir(parents=True)
    wanted.symlink_to(f"/{UNITS}/host-prep.service")
    if not may_lower_oom_score():
        put(folder / "usr/local/sbin/runc", source / "runc")
    put(folder / UNITS / "kubelet.service", verbatim("kubelet.service").encode())
    drop_in = filled("10-kubeadm.conf.j2", overrides="/etc/default/kubelet")
    put(folder / UNITS / "kubelet.service.d/10-kubeadm.conf", drop_in.encode())
    put(folder / "etc/cni/net.d/10-rehearsal.conflist", POD_NETWORK)
