"""Credentials: each node's files of the PKI, the operator's kubeconfig, and bootstrap tokens."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import PurePosixPath
from types import MappingProxyType

from khgen.pki.catalog import (
    ADMIN_KUBECONFIG,
    AUTHORITIES,
    CERTIFICATES,
    HOLDERS,
    KUBELET_CURRENT,
    KUBELET_IDENTITY,
    KUBELET_KUBECONFIG,
    KUBERNETES_FOLDER,
    PKI_FOLDER,
    CertificateEntry,
    Holder,
    KubeconfigEntry,
    Server,
    kubeconfigs_of,
)
from khgen.pki.certificates import (
    Authority,
    AuthorityName,
    Leaf,
    LeafRequest,
    Usage,
    authority_certificate_pem,
    authority_key_pem,
    issue_leaf,
    private_key_pem,
    public_key_pem,
)
from khgen.pki.derive import Identity, derived_text, leaf_key
from khgen.pki.lifetime import first_date, leaf_validity
from khgen.pki.secrets import EVERYONE, Secrets, generation
from khgen.plan.cluster_plan import API_SERVER_PORT, NodeFile, NodeKind, NodePlan, Plan, url
from khgen.spec.model.cluster import CaKeys
from khgen.yaml_text import YamlValue, dump_yaml

OPERATOR = ""
"""The node name in the operator's identity."""

Dates = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCredentials:
    """The part of the PKI that one node holds."""

    shared: tuple[NodeFile, ...]
    """Files with the same bytes on every node of the same kind."""
    own: tuple[NodeFile, ...]
    dates: tuple[tuple[str, Dates], ...]
    """The beginning and the end of each certificate, by its name."""

    @property
    def files(self) -> tuple[NodeFile, ...]:
        """Every file."""
        return (*self.shared, *self.own)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """The names of a kubeconfig's parts."""

    cluster: str
    context: str
    user: str


_WORKER_NAMES = _Names(cluster="kubernetes", context="kubernetes", user="kubernetes")
"""Nothing on a worker reads them: its certificate names the node."""

_ROTATED_IDENTITY: Mapping[str, str] = MappingProxyType(
    {"client-certificate": str(KUBELET_CURRENT), "client-key": str(KUBELET_CURRENT)}
)
"""One file has the kubelet's certificate and key, and the kubelet rotates it."""


def _kubeadm_names(cluster: str, user: str) -> _Names:
    """The names that kubeadm gives (kubeadm 1.29 app/util/kubeconfig CreateBasic)."""
    return _Names(cluster=cluster, context=f"{user}@{cluster}", user=user)


def node_credentials(plan: Plan, node: NodePlan, secrets: Secrets) -> NodeCredentials:
    """The credentials of this node: no more than its role needs."""
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
    shared = _authority_files(plan, secrets, holders)
    own = [file for entry, leaf in leaves for file in _pair(entry.path, leaf)]
    for kubeconfig, leaf in identities:
        if kubeconfig is not KUBELET_KUBECONFIG:
            own.append(_client_kubeconfig_file(plan, node, secrets, kubeconfig, leaf))
            continue
        own.append(_private(KUBELET_IDENTITY, leaf.certificate + leaf.key))
        # kubelet.conf of a worker names no node: it is the same on all workers.
        of_kind = shared if node.kind is NodeKind.WORKER else own
        of_kind.append(_kubelet_kubeconfig_file(plan, node, secrets))
    named = [*((e.name, leaf) for e, leaf in leaves), *((k.name, leaf) for k, leaf in identities)]
    dates = tuple((name, (leaf.not_before, leaf.not_after)) for name, leaf in named)
    return NodeCredentials(shared=tuple(shared), own=tuple(own), dates=dates)


def certificate_dates(credentials: NodeCredentials) -> Mapping[str, Dates]:
    """The beginning and the end of each certificate of a node."""
    return dict(credentials.dates)


def valid_from(plan: Plan, secrets: Secrets, credentials: NodeCredentials) -> datetime:
    """The moment from which all credentials of the node are valid."""
    begins = [first for _, (first, _) in credentials.dates]
    return max(begins, default=first_date(secrets) - plan.spec.pki.backdate)


def operator_kubeconfig(plan: Plan, secrets: Secrets) -> str:
    """admin.conf for the operator, with its own identity and the endpoint as server."""
    leaf = _identity(plan, OPERATOR, secrets, ADMIN_KUBECONFIG)
    return _client_kubeconfig(plan, secrets, ADMIN_KUBECONFIG.user, plan.endpoint.url, leaf)


def _authority_files(plan: Plan, secrets: Secrets, holders: frozenset[Holder]) -> list[NodeFile]:
    with_keys = plan.spec.pki.ca_keys is CaKeys.CONTROL_PLANE
    files = []
    for entry in AUTHORITIES:
        authority = secrets.authorities[entry.name]
        if entry.trusted_by & holders:
            certificate = authority_certificate_pem(authority)
            files.append(_public(PKI_FOLDER / f"{entry.path}.crt", certificate))
        if with_keys and entry.key_held_by in holders:
            files.append(_private(PKI_FOLDER / f"{entry.path}.key", authority_key_pem(authority)))
    if Holder.CONTROL_PLANE in holders:
        account = secrets.service_account
        files.append(_private(PKI_FOLDER / "sa.key", private_key_pem(account)))
        # kubeadm writes both halves for root only (1.29 app/util/pkiutil WritePublicKey).
        files.append(_private(PKI_FOLDER / "sa.pub", public_key_pem(account)))
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


def _client_kubeconfig_file(
    plan: Plan, node: NodePlan, secrets: Secrets, entry: KubeconfigEntry, leaf: Leaf
) -> NodeFile:
    server = _server(plan, node, entry.server)
    content = _client_kubeconfig(plan, secrets, entry.user, server, leaf)
    return _private(KUBERNETES_FOLDER / entry.name, content)


def _kubelet_kubeconfig_file(plan: Plan, node: NodePlan, secrets: Secrets) -> NodeFile:
    server = _server(plan, node, KUBELET_KUBECONFIG.server)
    content = _kubelet_kubeconfig(plan, node, secrets, server)
    return _private(KUBERNETES_FOLDER / KUBELET_KUBECONFIG.name, content)


def _client_kubeconfig(plan: Plan, secrets: Secrets, user: str, server: str, leaf: Leaf) -> str:
    """A kubeconfig that embeds the client's certificate and key."""
    names = _kubeadm_names(plan.spec.kubernetes.cluster_name, user)
    authority = secrets.authorities[AuthorityName.KUBERNETES]
    identity = {
        "client-certificate-data": _encoded(leaf.certificate),
        "client-key-data": _encoded(leaf.key),
    }
    embedded = _embedded(authority_certificate_pem(authority))
    return dump_yaml(_kubeconfig(names, server, embedded, identity))


def _kubelet_kubeconfig(plan: Plan, node: NodePlan, secrets: Secrets, server: str) -> str:
    if Holder.CONTROL_PLANE not in HOLDERS[node.kind, plan.stacked]:
        return _worker_kubeconfig(server)
    # `kubeadm init phase kubelet-finalize` looks for exactly this user (1.29 kubeletfinalize.go).
    user = KUBELET_KUBECONFIG.user.format(node=node.name)
    names = _kubeadm_names(plan.spec.kubernetes.cluster_name, user)
    authority = secrets.authorities[AuthorityName.KUBERNETES]
    embedded = _embedded(authority_certificate_pem(authority))
    return dump_yaml(_kubeconfig(names, server, embedded, _ROTATED_IDENTITY))


@lru_cache(maxsize=8)
def _worker_kubeconfig(server: str) -> str:
    """kubelet.conf of a worker: the same bytes on all workers, with a path to the CA.

    kubeadm's file discovery reads the CA at that path and embeds it (1.29
    app/discovery/file/file.go).
    """
    authority = {"certificate-authority": str(PKI_FOLDER / "ca.crt")}
    document = _kubeconfig(_WORKER_NAMES, server, authority, _ROTATED_IDENTITY)
    del document["preferences"]  # It is empty, and nothing reads it.
    return dump_yaml(document)


def _kubeconfig(
    names: _Names, server: str, authority: Mapping[str, str], identity: Mapping[str, str]
) -> dict[str, YamlValue]:
    context: YamlValue = {"cluster": names.cluster, "user": names.user}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"cluster": {**authority, "server": server}, "name": names.cluster}],
        "contexts": [{"context": context, "name": names.context}],
        "current-context": names.context,
        "preferences": {},
        "users": [{"name": names.user, "user": dict(identity)}],
    }


@lru_cache(maxsize=8)
def _embedded(authority_pem: str) -> dict[str, str]:
    return {"certificate-authority-data": _encoded(authority_pem)}


def _encoded(pem: str) -> str:
    return b64encode(pem.encode("ascii")).decode("ascii")


def _server(plan: Plan, node: NodePlan, server: Server) -> str:
    own = url(node.address, API_SERVER_PORT)
    if server is Server.LOCAL:
        return own
    if server is Server.KUBELET and Holder.CONTROL_PLANE in HOLDERS[node.kind, plan.stacked]:
        return own if plan.facts.kubelet_local_mode else plan.endpoint.url
    return plan.endpoint.url


def _pair(path: str, leaf: Leaf) -> tuple[NodeFile, NodeFile]:
    certificate = _public(PKI_FOLDER / f"{path}.crt", leaf.certificate)
    return certificate, _private(PKI_FOLDER / f"{path}.key", leaf.key)


def _public(path: PurePosixPath, content: str) -> NodeFile:
    return NodeFile(path=path, content=content)


def _private(path: PurePosixPath, content: str) -> NodeFile:
    return NodeFile(path=path, content=content, mode=0o600)


def bootstrap_token(secrets: Secrets) -> str:
    """The cluster's shared token for joins by hand: id, dot, secret."""
    return _token(secrets, "bootstrap-token", secrets.generations.get(EVERYONE, 0))


def founding_token(secrets: Secrets) -> str:
    """The short-lived token of the founding, the same on all founders so that none makes its own.

    No renewal changes it: that would change kubeadm.yaml, and a running cluster no longer has it.
    """
    return _token(secrets, "founding-token", 0)


def _token(secrets: Secrets, purpose: str, generation: int) -> str:
    text = derived_text(secrets.seed, f"{purpose}/{secrets.cluster}/{generation}", 22)
    return f"{text[:6]}.{text[6:]}"
