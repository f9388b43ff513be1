"""The whole flow on one screen: a plan and its secrets become every node's bytes."""

from collections.abc import Mapping
from dataclasses import dataclass

from khgen.bundle.meta_data import instance_id, meta_data, network_config
from khgen.bundle.user_data import UserData, UserDataBuilder
from khgen.files.node_files import own_files, shared_files
from khgen.pki.credentials import NodeCredentials, node_credentials, operator_kubeconfig
from khgen.pki.secrets import Secrets, incarnation
from khgen.plan.cluster_plan import NodeFile, NodeKind, NodePlan, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedNode:
    """Everything that khgen renders for one machine."""

    node: NodePlan
    shared: tuple[NodeFile, ...]
    """The files that all nodes of its kind have."""
    own: tuple[NodeFile, ...]
    credentials: NodeCredentials
    user_data: UserData
    machine: int
    """The number of this machine among those of its name: 1 plus the replacements before it."""
    instance_id: str
    meta_data: str
    network_config: str | None

    @property
    def files(self) -> tuple[NodeFile, ...]:
        """Every file of the node."""
        return (*self.shared, *self.own)


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRender:
    """What all nodes of a kind have in common, made once."""

    shared: tuple[NodeFile, ...]
    user_data: UserDataBuilder


class ClusterRender:
    """Renders a cluster's nodes, each separately and in any order."""

    def __init__(self, plan: Plan, secrets: Secrets, manifests: Mapping[str, bytes]) -> None:
        """A render of `plan`; `manifests` holds the local manifest files, by the spec's path."""
        self.plan = plan
        self.secrets = secrets
        self.kinds = {
            kind: _render_kind(plan, kind, secrets, manifests)
            for kind in sorted({node.kind for node in plan.nodes})
        }

    def node(self, node: NodePlan) -> RenderedNode:
        """One machine's files, user-data, meta-data and network-config."""
        kind = self.kinds[node.kind]
        credentials = node_credentials(self.plan, node, self.secrets)
        own = own_files(self.plan, node, self.secrets, credentials)
        user_data = kind.user_data.build(node, own)
        identity = incarnation(self.secrets, node.name)
        instance = instance_id(self.plan, node, identity, user_data.unpacked)
        return RenderedNode(
            node=node,
            shared=kind.shared,
            own=own,
            credentials=credentials,
            machine=1 + self.secrets.replaced.count(node.name),
            user_data=user_data,
            instance_id=instance,
            meta_data=meta_data(node, instance),
            network_config=network_config(node),
        )

    def admin_conf(self) -> str:
        """The operator's kubeconfig."""
        return operator_kubeconfig(self.plan, self.secrets)


def _render_kind(
    plan: Plan, kind: NodeKind, secrets: Secrets, manifests: Mapping[str, bytes]
) -> KindRender:
    shared = shared_files(plan, kind, secrets, manifests)
    return KindRender(shared=shared, user_data=UserDataBuilder(plan, shared))
