"""The catalogue of kubeconfigs, and who holds each.

Source: kubeadm 1.29 and 1.31, app/phases/kubeconfig/kubeconfig.go.
"""

from dataclasses import dataclass
from enum import StrEnum

from khgen.pki.catalog import HOLDERS, Holder
from khgen.plan.model import NodePlan, Plan


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
    for_founding: bool = False
    """Whether only one founder is given it, where no node can issue it, for the founding alone."""


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

SUPER_ADMIN_KUBECONFIG = KubeconfigEntry(
    name="super-admin.conf",
    user="kubernetes-super-admin",
    organization="system:masters",
    server=Server.ENDPOINT,
    held_by=Holder.FOUNDING_CONTROL_PLANE,
    # With the CA's key the cluster step has kubeadm make it, for the minute it is needed.
    for_founding=True,
)
"""Whoever has it needs no RBAC, and nobody can take that away before its certificate ends."""

KUBECONFIGS: tuple[KubeconfigEntry, ...] = (
    ADMIN_KUBECONFIG,
    SUPER_ADMIN_KUBECONFIG,
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
    holders = HOLDERS[node.kind, plan.stacked]
    first = plan.super_admin_holder
    return tuple(
        entry
        for entry in KUBECONFIGS
        if entry.held_by in holders
        and (not entry.for_founding or (first is not None and node.name == first.name))
    )
