"""The kubelet's units: kubeadm's drop-in where no package brings it, and etcd's service manager.

Source of unit and drop-in: kubernetes/release, the kubelet and kubeadm packages' own; of the
service manager: kubernetes.io, "Set up a High Availability etcd Cluster with kubeadm".
"""

from pathlib import PurePosixPath

from khgen.files.kubeadm import CRI_SOCKET
from khgen.files.templates import filled, verbatim
from khgen.plan.cluster_plan import ETCD_KINDS, NodeKind, Plan
from khgen.plan.node_file import NodeFile
from khgen.spec.model.machine import KubernetesSource
from khgen.yaml_text import dump_yaml

UNIT = PurePosixPath("/etc/systemd/system/kubelet.service")
DROP_INS = PurePosixPath("/etc/systemd/system/kubelet.service.d")
ETCD_KUBELET = PurePosixPath("/etc/khgen/etcd-kubelet.yaml")
"""Not among the drop-ins, where the page has it and systemd would read it as one."""

AFTER_CONTAINERD = "[Unit]\nWants=containerd.service\nAfter=containerd.service\n"


def kubelet_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """What the kubelet runs with on nodes of that kind, besides what kubeadm writes."""
    if kind is NodeKind.LOAD_BALANCER:
        return ()
    # Without the socket the kubelet ends, and systemd waits RestartSec (10 s) before the next try.
    files = [NodeFile(path=DROP_INS / "10-containerd.conf", content=AFTER_CONTAINERD)]
    binaries = plan.spec.install.kubernetes is KubernetesSource.BINARIES
    if binaries:
        files.append(NodeFile(path=UNIT, content=verbatim("kubelet.service")))
    if kind in ETCD_KINDS:
        drop_in = filled("20-etcd-service-manager.conf.j2", config=ETCD_KUBELET)
        files += [
            NodeFile(path=ETCD_KUBELET, content=_etcd_kubelet()),
            NodeFile(path=DROP_INS / "20-etcd-service-manager.conf", content=drop_in),
        ]
    elif binaries:
        overrides = plan.distribution.family.kubelet_overrides
        drop_in = filled("10-kubeadm.conf.j2", overrides=overrides)
        files.append(NodeFile(path=DROP_INS / "10-kubeadm.conf", content=drop_in))
    return tuple(files)


def _etcd_kubelet() -> str:
    return dump_yaml(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "address": "127.0.0.1",
            "cgroupDriver": "systemd",
            "containerRuntimeEndpoint": CRI_SOCKET,
            "staticPodPath": "/etc/kubernetes/manifests",
        }
    )
