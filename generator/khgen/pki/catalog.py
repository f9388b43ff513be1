"""The catalogue: every certificate and kubeconfig of a kubeadm cluster, and its holders.

Source: kubeadm 1.29 and 1.31, app/phases/certs/certlist.go, app/phases/kubeconfig/kubeconfig.go;
subject alternative names: app/util/pkiutil/pki_helpers.go, GetAPIServerAltNames and getAltNames.
kubeadm's join verifies a supplied certificate for each of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import PurePosixPath
from types import MappingProxyType

from khgen.pki.certificates import AuthorityName, SubjectAlternativeName, Usage
from khgen.plan.cluster_plan import NodeKind, NodePlan, Plan
from khgen.spec.model.values import IPAddress

PKI_FOLDER = PurePosixPath("/etc/kubernetes/pki")
KUBERNETES_FOLDER = PurePosixPath("/etc/kubernetes")
KUBELET_PKI_FOLDER = PurePosixPath("/var/lib/kubelet/pki")
KUBELET_IDENTITY = KUBELET_PKI_FOLDER / "kubelet-client-khgen.pem"
KUBELET_CURRENT = KUBELET_PKI_FOLDER / "kubelet-client-current.pem"
"""A link to the PEM in use: the kubelet's certificate store refuses a regular file here."""
_CLIENT = (Usage.CLIENT,)
_SERVER = (Usage.SERVER,)
_BOTH = (Usage.SERVER, Usage.CLIENT)


class Holder(StrEnum):
    """A property of nodes that decides what they hold."""

    KUBERNETES_NODE = "kubernetes-node"
    CONTROL_PLANE = "control-plane"
    FOUNDING_CONTROL_PLANE = "founding-control-plane"
    ETCD_MEMBER = "etcd-member"
    STACKED_ETCD_MEMBER = "stacked-etcd-member"


_STACKED = frozenset({Holder.ETCD_MEMBER, Holder.STACKED_ETCD_MEMBER})
_JOINER = frozenset({Holder.KUBERNETES_NODE, Holder.CONTROL_PLANE})
_FOUNDER = _JOINER | {Holder.FOUNDING_CONTROL_PLANE}

HOLDERS: Mapping[tuple[NodeKind, bool], frozenset[Holder]] = MappingProxyType(
    {
        (NodeKind.FOUNDER, True): _FOUNDER | _STACKED,
        (NodeKind.FOUNDER, False): _FOUNDER,
        (NodeKind.CONTROL_PLANE_JOINER, True): _JOINER | _STACKED,
        (NodeKind.CONTROL_PLANE_JOINER, False): _JOINER,
        (NodeKind.WORKER, True): frozenset({Holder.KUBERNETES_NODE}),
        (NodeKind.WORKER, False): frozenset({Holder.KUBERNETES_NODE}),
        (NodeKind.ETCD_FOUNDER, False): frozenset({Holder.ETCD_MEMBER}),
        (NodeKind.ETCD_JOINER, False): frozenset({Holder.ETCD_MEMBER}),
        (NodeKind.LOAD_BALANCER, True): frozenset(),
        (NodeKind.LOAD_BALANCER, False): frozenset(),
    }
)
"""The properties of each kind of node, by whether etcd is stacked."""


def apiserver_sans(plan: Plan, node: NodePlan) -> tuple[SubjectAlternativeName, ...]:
    """Names and addresses at which clients may reach this node's API server."""
    domain = plan.spec.networking.dns_domain
    return _unique(
        node.name,
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        f"kubernetes.default.svc.{domain}",
        *plan.networks.api_service_addresses,
        *node.addresses,
        plan.endpoint.host,
        *plan.spec.kubernetes.api_server.cert_sans,
        *node.spec.certificate_sans,
    )


def etcd_sans(node: NodePlan) -> tuple[SubjectAlternativeName, ...]:
    """Names and addresses of this node's etcd member, as server and as peer."""
    return _unique(
        node.name, "localhost", *node.addresses, "127.0.0.1", "::1", *node.spec.certificate_sans
    )


def _unique(*names: str | IPAddress) -> tuple[SubjectAlternativeName, ...]:
    return tuple(dict.fromkeys(_typed(name) for name in names))


def _typed(name: str | IPAddress) -> SubjectAlternativeName:
    try:
        return ip_address(name)
    except ValueError:
        return str(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityEntry:
    """An authority's path on the nodes, who trusts it, and who may hold its key."""

    name: AuthorityName
    path: str
    trusted_by: frozenset[Holder]
    key_held_by: Holder


def _no_organization(_plan: Plan) -> None:
    return None


def _kubelet_client_organization(plan: Plan) -> str | None:
    return plan.facts.apiserver_kubelet_client_organization(plan.version.patch)


def _no_names(_plan: Plan, _node: NodePlan) -> tuple[SubjectAlternativeName, ...]:
    return ()


def _etcd_names(_plan: Plan, node: NodePlan) -> tuple[SubjectAlternativeName, ...]:
    return etcd_sans(node)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateEntry:
    """A leaf certificate."""

    name: str
    path: str
    issuer: AuthorityName
    common_name: str
    usages: tuple[Usage, ...]
    held_by: Holder
    organization: Callable[[Plan], str | None] = _no_organization
    subject_alternative_names: Callable[[Plan, NodePlan], tuple[SubjectAlternativeName, ...]] = (
        _no_names
    )


AUTHORITIES: tuple[AuthorityEntry, ...] = (
    AuthorityEntry(
        name=AuthorityName.KUBERNETES,
        path="ca",
        trusted_by=frozenset({Holder.KUBERNETES_NODE}),
        key_held_by=Holder.CONTROL_PLANE,
    ),
    AuthorityEntry(
        name=AuthorityName.FRONT_PROXY,
        path="front-proxy-ca",
        trusted_by=frozenset({Holder.CONTROL_PLANE}),
        key_held_by=Holder.CONTROL_PLANE,
    ),
    AuthorityEntry(
        name=AuthorityName.ETCD,
        path="etcd/ca",
        trusted_by=frozenset({Holder.CONTROL_PLANE, Holder.ETCD_MEMBER}),
        key_held_by=Holder.STACKED_ETCD_MEMBER,
    ),
)


CERTIFICATES: tuple[CertificateEntry, ...] = (
    CertificateEntry(
        name="apiserver",
        path="apiserver",
        issuer=AuthorityName.KUBERNETES,
        common_name="kube-apiserver",
        usages=_SERVER,
        subject_alternative_names=apiserver_sans,
        held_by=Holder.CONTROL_PLANE,
    ),
    CertificateEntry(
        name="apiserver-kubelet-client",
        path="apiserver-kubelet-client",
        issuer=AuthorityName.KUBERNETES,
        common_name="kube-apiserver-kubelet-client",
        organization=_kubelet_client_organization,
        usages=_CLIENT,
        held_by=Holder.CONTROL_PLANE,
    ),
    CertificateEntry(
        name="front-proxy-client",
        path="front-proxy-client",
        issuer=AuthorityName.FRONT_PROXY,
        common_name="front-proxy-client",
        usages=_CLIENT,
        held_by=Holder.CONTROL_PLANE,
    ),
    CertificateEntry(
        name="etcd-server",
        path="etcd/server",
        issuer=AuthorityName.ETCD,
        common_name="{node}",
        usages=_BOTH,  # https://github.com/etcd-io/etcd/issues/9785
        subject_alternative_names=_etcd_names,
        held_by=Holder.ETCD_MEMBER,
    ),
    CertificateEntry(
        name="etcd-peer",
        path="etcd/peer",
        issuer=AuthorityName.ETCD,
        common_name="{node}",
        usages=_BOTH,
        subject_alternative_names=_etcd_names,
        held_by=Holder.ETCD_MEMBER,
    ),
    CertificateEntry(
        name="etcd-healthcheck-client",
        path="etcd/healthcheck-client",
        issuer=AuthorityName.ETCD,
        common_name="kube-etcd-healthcheck-client",
        usages=_CLIENT,
        held_by=Holder.ETCD_MEMBER,
    ),
    CertificateEntry(
        name="apiserver-etcd-client",
        path="apiserver-etcd-client",
        issuer=AuthorityName.ETCD,
        common_name="kube-apiserver-etcd-client",
        usages=_CLIENT,
        held_by=Holder.CONTROL_PLANE,
    ),
)


class Server(StrEnum):
    """Which API server a kubeconfig points at."""

    ENDPOINT = "endpoint"
    LOCAL = "local"
    KUBELET = "kubelet"
    """The endpoint, or the local API server if kubeadm's ControlPlaneKubeletLocalMode is on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeconfigEntry:
    """A kubeconfig and the identity in it."""

    name: str
    user: str
    organization: str | None
    server: Server
    held_by: Holder
    for_founding: bool = False
    """Whether it serves the founding: one founder gets it, if no node can issue it."""


KUBELET_KUBECONFIG = KubeconfigEntry(
    name="kubelet.conf",
    user="system:node:{node}",
    organization="system:nodes",
    server=Server.KUBELET,
    held_by=Holder.KUBERNETES_NODE,
)
"""The only kubeconfig with a path to its certificate, because the kubelet rotates it."""

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
    # If nodes have the CA's key, the cluster step has kubeadm make it and removes it again.
    for_founding=True,
)
"""It bypasses RBAC, and nobody can revoke it before its certificate expires."""

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
    """The kubeconfigs that this node gets."""
    holders = HOLDERS[node.kind, plan.stacked]
    first = plan.super_admin_holder
    return tuple(
        entry
        for entry in KUBECONFIGS
        if entry.held_by in holders
        and (not entry.for_founding or (first is not None and node.name == first.name))
    )
