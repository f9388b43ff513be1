"""The catalogue of kubeconfigs, and who holds each.

Source: kubeadm 1.29 and 1.31, app/phases/kubeconfig/kubeconfig.go.
"""

from dataclasses import dataclass
from enum import StrEnum

from khgen.pki.catalog import HOLDERS, Holder
from khgen.plan.model import NodePlan, Plan
from khgen.spec.model.cluster import CaKeys


class Server(StrEnum):
    """Which API server a kubeconfig points at."""

    ENDPOINT = "endpoint"
    LOCAL = "local"
    KUBELET = "kubelet"
    """The endpoint, or the local one where kubeadm's ControlPlaneKubeletLocalMode is on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeconfigEntry:
    """A kubeconfig and the identity in it."""

    name: str
    user: str
    organization: str | None
    server: Server
    held_by: Holder
    only_keyless: bool = False
    """Whether a node needs it only where it cannot issue it for itself."""


KUBELET_KUBECONFIG = KubeconfigEntry(
    name="kubelet.conf",
    user="system:node:{node}",
    organization="system:nodes",
    server=Server.KUBELET,
    held_by=Holder.KUBERNETES_NODE,
)
"""The one kubeconfig that refers to its certificate, because the kubelet rotates it."""

ADMIN_KUBECONFIG = KubeconfigEntry(
    name="admin.conf",
    user="kubernetes-admin",
    organization="kubeadm:cluster-admins",
    server=Server.ENDPOINT,
    held_by=Holder.CONTROL_PLANE,
)

KUBECONFIGS: tuple[KubeconfigEntry, ...] = (
    ADMIN_KUBECONFIG,
    KubeconfigEntry(
        name="super-admin.conf",
        user="kubernetes-super-admin",
        organization="system:masters",
        server=Server.ENDPOINT,
        held_by=Holder.FOUNDING_CONTROL_PLANE,
        # With the CA's key the cluster step has kubeadm make it, for the minute it is needed.
        only_keyless=True,
    ),
    KubeconfigEntry(
        name="controller-manager.conf",
        user="system:kube-controller-manager",
        organization=None,
        server=Server.LOCAL,
        held_by=Holder.CONTROL_PLANE,
    ),
    KubeconfigEntry(
        name="scheduler.conf",
        user="system:kube-scheduler",
        organization=None,
        server=Server.LOCAL,
        held_by=Holder.CONTROL_PLANE,
    ),
    KUBELET_KUBECONFIG,
)


def kubeconfigs_of(plan: Plan, node: NodePlan) -> tuple[KubeconfigEntry, ...]:
    """The kubeconfigs that this node is given."""
    keyless = plan.spec.pki.ca_keys is CaKeys.OFFLINE
    holders = HOLDERS[node.kind, plan.stacked]
    return tuple(
        entry
        for entry in KUBECONFIGS
        if entry.held_by in holders and (keyless or not entry.only_keyless)
    )
