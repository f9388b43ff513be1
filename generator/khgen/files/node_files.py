"""The files of a node, from every module of this layer, in the order of the user-data.

Shared files are the same bytes on every node of a kind. They are made once and come first.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath

from khgen.files.boot import boot_environment_files, boot_files
from khgen.files.etcd_manifest import etcd_manifest_files
from khgen.files.golden_image import MACHINE_FILES, wanted_image_files
from khgen.files.kubeadm import encryption_files, kubeadm_config_files, patch_files
from khgen.files.living_node import update_files, update_key_files
from khgen.files.load_balancer import haproxy_files, keepalived_files, vip_files
from khgen.files.operating_system import hosts_files
from khgen.pki.credentials import (
    NodeCredentials,
    bootstrap_token,
    founding_token,
    node_credentials,
    valid_from,
)
from khgen.pki.derive import derived_text
from khgen.pki.secrets import Secrets, incarnation
from khgen.plan.cluster_plan import NodeFile, NodeKind, NodePlan, Plan
from khgen.spec.model.cluster import Calico, Manifest

SharedFiles = Callable[[Plan, NodeKind], tuple[NodeFile, ...]]
OwnFiles = Callable[[Plan, NodePlan], tuple[NodeFile, ...]]

SHARED: tuple[SharedFiles, ...] = (
    boot_files,
    vip_files,
    wanted_image_files,
    *MACHINE_FILES,
    patch_files,
    haproxy_files,
)
"""Files that depend only on the kind of node."""

OWN: tuple[OwnFiles, ...] = (hosts_files, etcd_manifest_files)
"""Files that depend on the node."""
MANIFESTS_FOLDER = PurePosixPath("/etc/khgen/manifests")


def shared_files(
    plan: Plan, kind: NodeKind, secrets: Secrets, manifests: Mapping[str, bytes]
) -> tuple[NodeFile, ...]:
    """Every file that all nodes of this kind have."""
    some = next(node for node in plan.nodes if node.kind is kind)
    files = [*update_files(plan, kind, secrets)]
    files += (file for make in SHARED for file in make(plan, kind))
    files += encryption_files(plan, kind, secrets.encryption_key)
    files += manifest_files(plan, kind, manifests)
    files += node_credentials(plan, some, secrets).shared
    return tuple(files)


def own_files(
    plan: Plan, node: NodePlan, secrets: Secrets, credentials: NodeCredentials
) -> tuple[NodeFile, ...]:
    """Every file that only this node has."""
    kept = plan.spec.bootstrap_token is not None
    token = bootstrap_token(secrets) if kept else founding_token(secrets)
    # If the spec has no token, the founders' token is deleted once the cluster is up.
    passing = "" if kept else token.partition(".")[0]
    not_before = valid_from(plan, secrets, credentials)
    files = [file for make in OWN for file in make(plan, node)]
    files += boot_environment_files(plan, node, machine_mark(secrets, node), not_before, passing)
    files += kubeadm_config_files(plan, node, token)
    files += keepalived_files(plan, node, secrets.vrrp_password)
    files += update_key_files(plan, node, update_key(secrets, node))
    files += credentials.own
    return tuple(files)


def machine_mark(secrets: Secrets, node: NodePlan) -> str:
    """Eight digits that are others when the machine is another one, or is to start over."""
    return hashlib.sha256(incarnation(secrets, node.name).encode()).hexdigest()[:8]


def update_key(secrets: Secrets, node: NodePlan) -> str:
    """What opens the updates that the API hands to a machine: 222 bits, others for another machine.

    No renewal changes it: a node could not open the update that brings the new one.
    """
    purpose = f"update/{secrets.cluster}/{node.name}/{machine_mark(secrets, node)}"
    return derived_text(secrets.seed, purpose, 43)


def manifest_files(
    plan: Plan, kind: NodeKind, contents: Mapping[str, bytes]
) -> tuple[NodeFile, ...]:
    """Manifests from files (`contents` by their path in the spec), and the list of those by URL."""
    if kind is not NodeKind.FOUNDER:
        return ()
    files: list[NodeFile] = []
    urls: list[str] = []
    for number, (name, source) in enumerate(_sources(plan), start=1):
        file_name = f"{number:02d}-{name}.yaml"
        if source.path is not None:
            text = contents[source.path].decode()
            files.append(NodeFile(path=MANIFESTS_FOLDER / file_name, content=text, mode=0o600))
        else:
            urls.append(f"{source.sha256} {file_name} {source.url}\n")
    if urls:
        files.append(NodeFile(path=MANIFESTS_FOLDER / "urls", content="".join(urls)))
    return tuple(files)


def _sources(plan: Plan) -> Iterator[tuple[str, Calico | Manifest]]:
    addons = plan.spec.addons
    if addons.calico is not None:
        yield "calico", addons.calico
    for manifest in addons.manifests:
        yield manifest.name, manifest
