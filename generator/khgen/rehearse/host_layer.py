"""The files that every local host has over the root directory: what its image would bring."""

from collections.abc import Iterable
from pathlib import Path

from khgen.files.templates import filled, verbatim
from khgen.rehearse.local_host import PROGRAMS, put
from khgen.rehearse.replaced import may_lower_oom_score
from khgen.resources import resource_folder

UNITS = "usr/lib/systemd/system"
POD_NETWORK = b"""{"cniVersion": "0.4.0", "name": "rehearsal", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "198.18.0.0/24"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
"""
"""A network for pods on each host by itself, as no addon is fetched (198.18/15: RFC 2544)."""


def write_layer(folder: Path, programs: Iterable[str]) -> None:
    """Write them below `folder`; `programs` of Kubernetes are links to where the hosts see them."""
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
