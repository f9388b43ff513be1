"""The whole flow on one screen: a plan and its secrets become every node's bytes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from khgen.bundle.meta_data import instance_id, meta_data, network_config
from khgen.bundle.update_bundle import (
    KIND_PRESET,
    NODE_PRESET,
    HeldUpdate,
    UpdateBundle,
    UpdateSigner,
    archive_of,
)
from khgen.bundle.user_data import UserData, UserDataBuilder
from khgen.files.living_node import FIRST_BOOT_ONLY, own_living_files, shared_living_files
from khgen.files.node_files import machine_mark, own_files, shared_files
from khgen.pki.credentials import NodeCredentials, node_credentials, operator_kubeconfig
from khgen.pki.derive import update_signing_key
from khgen.pki.secrets import Secrets, incarnation
from khgen.plan.cluster_plan import NodeFile, NodeKind, NodePlan, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedNode:
    """Everything that khgen renders for one machine."""

    node: NodePlan
    shared: tuple[NodeFile, ...]
    """The files that all nodes of its kind have."""
    own: tuple[NodeFile, ...]
    shared_living: tuple[NodeFile, ...]
    """The shared files as a node that runs has them."""
    own_living: tuple[NodeFile, ...]
    credentials: NodeCredentials
    user_data: UserData
    machine: int
    """The number of this machine among those of its name: 1 plus the replacements before it."""
    instance_id: str
    meta_data: str
    network_config: str | None

    @property
    def files(self) -> tuple[NodeFile, ...]:
        """Every file of the node's first boot."""
        return (*self.shared, *self.own)

    @property
    def living(self) -> tuple[NodeFile, ...]:
        """Every file of the node once it runs: what its update has."""
        return (*self.shared_living, *self.own_living)


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRender:
    """What all nodes of a kind have in common, made once."""

    shared: tuple[NodeFile, ...]
    living: tuple[NodeFile, ...]
    """The shared files as nodes that run have them."""
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
            shared_living=kind.living,
            own_living=_living(own, own_living_files(self.plan, node)),
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


class ClusterUpdates:
    """Makes the updates of a cluster's nodes, each separately and in any order."""

    def __init__(
        self, render: ClusterRender, held: Mapping[str, HeldUpdate], now: datetime
    ) -> None:
        """Updates by that render; `held` are those of the render before, by node."""
        secrets = self._secrets = render.secrets
        self._signer = UpdateSigner(
            plan=render.plan,
            key=update_signing_key(secrets.seed, secrets.cluster),
            held=held,
            now=int(now.timestamp()),
        )
        self._kinds = {
            kind: archive_of(rendered.living, KIND_PRESET)
            for kind, rendered in render.kinds.items()
        }

    def bundle(self, rendered: RenderedNode) -> UpdateBundle:
        """One node's update."""
        node = rendered.node
        return self._signer.bundle(
            node,
            machine_mark(self._secrets, node),
            self._kinds[node.kind],
            archive_of(rendered.own_living, NODE_PRESET),
        )


def _living(first: Iterable[NodeFile], later: Iterable[NodeFile]) -> tuple[NodeFile, ...]:
    """The files of a node that runs: those of its first boot, unless a living file has the path."""
    files = {file.path: file for file in (*first, *later) if file.path not in FIRST_BOOT_ONLY}
    return tuple(files.values())


def _render_kind(
    plan: Plan, kind: NodeKind, secrets: Secrets, manifests: Mapping[str, bytes]
) -> KindRender:
    shared = shared_files(plan, kind, secrets, manifests)
    return KindRender(
        shared=shared,
        living=_living(shared, shared_living_files(plan, kind)),
        user_data=UserDataBuilder(plan, shared),
    )
