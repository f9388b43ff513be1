"""Credentials: what each node is given of the PKI, and what the operator gets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from khgen.pki.authorities import (
    Authority,
    AuthorityName,
    authority_certificate_pem,
    authority_key_pem,
    private_key_pem,
    public_key_pem,
)
from khgen.pki.catalog import (
    AUTHORITIES,
    CERTIFICATES,
    HOLDERS,
    KUBELET_CURRENT,
    KUBELET_IDENTITY,
    KUBERNETES_FOLDER,
    PKI_FOLDER,
    CertificateEntry,
    Holder,
)
from khgen.pki.clock import first_date
from khgen.pki.derive import Identity, leaf_key
from khgen.pki.issue import Leaf, LeafRequest, Usage, issue_leaf
from khgen.pki.kubeconfig import (
    client_kubeconfig,
    kubeadm_names,
    kubelet_kubeconfig,
    rotating_kubeconfig,
)
from khgen.pki.kubeconfig_catalog import (
    ADMIN_KUBECONFIG,
    KUBELET_KUBECONFIG,
    KubeconfigEntry,
    Server,
    kubeconfigs_of,
)
from khgen.pki.secrets import Secrets, generation
from khgen.pki.validity import leaf_validity
from khgen.plan.model import API_SERVER_PORT, NodeKind, NodePlan, Plan, url
from khgen.spec.model.cluster import CaKeys

PUBLIC_MODE = 0o644
PRIVATE_MODE = 0o600
OPERATOR = ""
"""The node name in the identity of what the operator holds."""

Dates = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialFile:
    """A file of the PKI as a node will have it."""

    path: PurePosixPath
    content: str
    mode: int
    shared: bool = False
    """Whether every node of the same kind has the same bytes here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCredentials:
    """Everything of the PKI that one node holds."""

    files: tuple[CredentialFile, ...]
    dates: tuple[tuple[str, Dates], ...]
    """From when until when each certificate is valid, by its name."""


def node_credentials(plan: Plan, node: NodePlan, secrets: Secrets) -> NodeCredentials:
    """What this node is given: no more than its role needs."""
    holders = HOLDERS[node.kind, plan.stacked]
    leaves = [
        (entry, _certificate(plan, node, secrets, entry))
        for entry in CERTIFICATES
        if entry.held_by in holders
    ]
    identities = [
        (kubeconfig, _identity(plan, node.name, secrets, kubeconfig))
        for kubeconfig in kubeconfigs_of(plan, node)
    ]
    files = [*_authority_files(plan, secrets, holders)]
    for entry, leaf in leaves:
        files += _pair(entry.path, leaf.certificate, leaf.key)
    for kubeconfig, leaf in identities:
        files += _kubeconfig_files(plan, node, secrets, kubeconfig, leaf)
    named = [*((e.name, leaf) for e, leaf in leaves), *((k.name, leaf) for k, leaf in identities)]
    dates = tuple((name, (leaf.not_before, leaf.not_after)) for name, leaf in named)
    return NodeCredentials(files=tuple(files), dates=dates)


def certificate_dates(credentials: NodeCredentials) -> Mapping[str, Dates]:
    """From when until when each certificate of a node is valid."""
    return dict(credentials.dates)


def valid_from(plan: Plan, secrets: Secrets, credentials: NodeCredentials) -> datetime:
    """The moment from which all that the node holds is valid."""
    begins = [first for _, (first, _) in credentials.dates]
    return max(begins, default=first_date(secrets) - plan.spec.pki.backdate)


def operator_kubeconfig(plan: Plan, secrets: Secrets) -> str:
    """admin.conf for the operator: an identity of its own, at the endpoint."""
    leaf = _identity(plan, OPERATOR, secrets, ADMIN_KUBECONFIG)
    return _client_kubeconfig(plan, secrets, ADMIN_KUBECONFIG.user, plan.endpoint.url, leaf)


def _authority_files(
    plan: Plan, secrets: Secrets, holders: frozenset[Holder]
) -> list[CredentialFile]:
    with_keys = plan.spec.pki.ca_keys is CaKeys.CONTROL_PLANE
    files = []
    for entry in AUTHORITIES:
        authority = secrets.authorities[entry.name]
        if entry.trusted_by & holders:
            files.append(
                _shared(f"{entry.path}.crt", authority_certificate_pem(authority), PUBLIC_MODE)
            )
        if with_keys and entry.key_held_by in holders:
            files.append(_shared(f"{entry.path}.key", authority_key_pem(authority), PRIVATE_MODE))
    if Holder.CONTROL_PLANE in holders:
        account = secrets.service_account
        files.append(_shared("sa.key", private_key_pem(account), PRIVATE_MODE))
        # kubeadm writes both halves for root only (1.29 app/util/pkiutil WritePublicKey).
        files.append(_shared("sa.pub", public_key_pem(account), PRIVATE_MODE))
    return files


def _certificate(plan: Plan, node: NodePlan, secrets: Secrets, entry: CertificateEntry) -> Leaf:
    authority = secrets.authorities[entry.issuer]
    not_before, not_after = leaf_validity(plan, secrets, authority, node.name, entry.name)
    request = LeafRequest(
        common_name=entry.common_name.format(node=node.name),
        organization=entry.organization(plan),
        usages=entry.usages,
        subject_alternative_names=entry.subject_alternative_names(plan, node),
        not_before=not_before,
        not_after=not_after,
    )
    return _issued(
        plan, secrets, authority, Identity(secrets.cluster, node.name, entry.name), request
    )


def _identity(plan: Plan, node_name: str, secrets: Secrets, entry: KubeconfigEntry) -> Leaf:
    authority = secrets.authorities[AuthorityName.KUBERNETES]
    not_before, not_after = leaf_validity(plan, secrets, authority, node_name, entry.name)
    request = LeafRequest(
        common_name=entry.user.format(node=node_name),
        organization=entry.organization,
        usages=(Usage.CLIENT,),
        subject_alternative_names=(),
        not_before=not_before,
        not_after=not_after,
    )
    return _issued(
        plan, secrets, authority, Identity(secrets.cluster, node_name, entry.name), request
    )


def _issued(
    plan: Plan, secrets: Secrets, authority: Authority, identity: Identity, request: LeafRequest
) -> Leaf:
    current = generation(secrets, identity.node)
    key = leaf_key(secrets.seed, identity, current, plan.spec.pki.algorithm)
    return issue_leaf(request, key, authority, secrets.seed)


def _kubeconfig_files(
    plan: Plan, node: NodePlan, secrets: Secrets, entry: KubeconfigEntry, leaf: Leaf
) -> list[CredentialFile]:
    path = KUBERNETES_FOLDER / entry.name
    server = _server(plan, node, entry.server)
    if entry is not KUBELET_KUBECONFIG:
        content = _client_kubeconfig(plan, secrets, entry.user, server, leaf)
        return [CredentialFile(path=path, content=content, mode=PRIVATE_MODE)]
    pem = leaf.certificate + leaf.key
    content = _kubelet_conf(plan, node, secrets, server)
    worker = node.kind is NodeKind.WORKER
    return [
        CredentialFile(path=KUBELET_IDENTITY, content=pem, mode=PRIVATE_MODE),
        CredentialFile(path=path, content=content, mode=PRIVATE_MODE, shared=worker),
    ]


def _kubelet_conf(plan: Plan, node: NodePlan, secrets: Secrets, server: str) -> str:
    if Holder.CONTROL_PLANE not in HOLDERS[node.kind, plan.stacked]:
        return kubelet_kubeconfig(server, str(PKI_FOLDER / "ca.crt"), str(KUBELET_CURRENT))
    # `kubeadm init phase kubelet-finalize` looks for this very user (1.29 kubeletfinalize.go).
    user = KUBELET_KUBECONFIG.user.format(node=node.name)
    names = kubeadm_names(plan.spec.kubernetes.cluster_name, user)
    authority = authority_certificate_pem(secrets.authorities[AuthorityName.KUBERNETES])
    return rotating_kubeconfig(names, server, authority, str(KUBELET_CURRENT))


def _client_kubeconfig(plan: Plan, secrets: Secrets, user: str, server: str, leaf: Leaf) -> str:
    names = kubeadm_names(plan.spec.kubernetes.cluster_name, user)
    authority = secrets.authorities[AuthorityName.KUBERNETES]
    return client_kubeconfig(names, server, authority_certificate_pem(authority), leaf)


def _server(plan: Plan, node: NodePlan, server: Server) -> str:
    own = url(node.address, API_SERVER_PORT)
    if server is Server.LOCAL:
        return own
    if server is Server.KUBELET and Holder.CONTROL_PLANE in HOLDERS[node.kind, plan.stacked]:
        return own if plan.facts.kubelet_local_mode else plan.endpoint.url
    return plan.endpoint.url


def _shared(path: str, content: str, mode: int) -> CredentialFile:
    return CredentialFile(path=PKI_FOLDER / path, content=content, mode=mode, shared=True)


def _pair(path: str, certificate: str, key: str) -> list[CredentialFile]:
    return [_public(f"{path}.crt", certificate), _private(f"{path}.key", key)]


def _public(path: str, content: str) -> CredentialFile:
    return CredentialFile(path=PKI_FOLDER / path, content=content, mode=PUBLIC_MODE)


def _private(path: str, content: str) -> CredentialFile:
    return CredentialFile(path=PKI_FOLDER / path, content=content, mode=PRIVATE_MODE)
