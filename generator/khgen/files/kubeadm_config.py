"""/etc/khgen/kubeadm.yaml: what kubeadm is told on this node.

Fields: kubeadm 1.29 app/apis/kubeadm/v1beta3/types.go, 1.31 app/apis/kubeadm/v1beta4/types.go.
"""

from pathlib import PurePosixPath

from khgen.files.cluster_configuration import (
    cluster_configuration,
    extra_arguments,
    kube_proxy_configuration,
    kubeadm_api,
    kubelet_configuration,
)
from khgen.files.patches import PATCHES, has_patches
from khgen.plan.model import API_SERVER_PORT, CONTROL_PLANE_KINDS, NodeKind, NodePlan, Plan
from khgen.plan.node_file import NodeFile
from khgen.spec.model.values import duration_text
from khgen.yaml_text import YamlValue, dump_yaml

PATH = PurePosixPath("/etc/khgen/kubeadm.yaml")
KUBELET_CONF = "/etc/kubernetes/kubelet.conf"
CRI_SOCKET = "unix:///var/run/containerd/containerd.sock"
"""constants_unix.go CRISocketContainerd: named, because two runtimes on a host make kubeadm refuse."""
FOUNDING_TOKEN_TTL = "30m0s"  # noqa: S105 - a lifetime
COMPONENT_TIMEOUT = "10m0s"
"""kubeadm's own four minutes are short on slow disks; with it grows etcd's startup probe."""
WRITTEN_BEFORE_JOIN = (
    "FileAvailable--etc-kubernetes-kubelet.conf",
    "FileAvailable--etc-kubernetes-pki-ca.crt",
)
"""preflight/checks.go: files that a join expects to write itself, and that khgen wrote already."""
ASKS_EVERY_MEMBER = "ExternalEtcdVersion"
"""preflight/checks.go: fails unless every member of external etcd answers; we wait for a quorum."""


def kubeadm_config_files(plan: Plan, node: NodePlan, token: str) -> tuple[NodeFile, ...]:
    """kubeadm's configuration: init for a founder (`token`: its bootstrap token), or join."""
    if not node.joins_kubernetes:
        return ()
    if node.kind is NodeKind.FOUNDER:
        documents: tuple[YamlValue, ...] = (
            init_configuration(plan, node, token),
            cluster_configuration(plan),
            kubelet_configuration(plan),
            *kube_proxy_configuration(plan),
        )
    else:
        documents = (join_configuration(plan, node),)
    return (NodeFile(path=PATH, content=dump_yaml(*documents), mode=0o600),)


def init_configuration(plan: Plan, node: NodePlan, token: str) -> dict[str, YamlValue]:
    """InitConfiguration of a founder; its one token is the same everywhere (trap: an empty list
    makes each founder invent another)."""
    kept = plan.spec.bootstrap_token
    ttl = FOUNDING_TOKEN_TTL if kept is None else go_duration(duration_text(kept.ttl))
    return {
        "apiVersion": kubeadm_api(plan),
        "kind": "InitConfiguration",
        "bootstrapTokens": [{"token": token, "ttl": ttl}],
        "localAPIEndpoint": local_api_endpoint(node),
        "nodeRegistration": {**node_registration(plan, node), **_ignored(plan, node)},
        **_patches(plan, node.kind),
        **_timeouts(plan),
    }


def join_configuration(plan: Plan, node: NodePlan) -> dict[str, YamlValue]:
    """JoinConfiguration: the node's own identity discovers the cluster, no token is needed."""
    control_plane: dict[str, YamlValue] = {}
    if node.kind in CONTROL_PLANE_KINDS:
        control_plane = {"controlPlane": {"localAPIEndpoint": local_api_endpoint(node)}}
    return {
        "apiVersion": kubeadm_api(plan),
        "kind": "JoinConfiguration",
        "discovery": {"file": {"kubeConfigPath": KUBELET_CONF}},
        **control_plane,
        "nodeRegistration": {
            **node_registration(plan, node),
            **_ignored(plan, node, *WRITTEN_BEFORE_JOIN),
        },
        **_patches(plan, node.kind),
        **(_timeouts(plan) if control_plane else {}),
    }


def local_api_endpoint(node: NodePlan) -> dict[str, YamlValue]:
    """Where this node's API server is."""
    return {"advertiseAddress": str(node.address), "bindPort": API_SERVER_PORT}


def node_registration(plan: Plan, node: NodePlan) -> dict[str, YamlValue]:
    """What this node registers as."""
    flags = {"node-ip": ",".join(str(address) for address in node.addresses)}
    if node.spec.labels:
        flags["node-labels"] = ",".join(f"{k}={v}" for k, v in sorted(node.spec.labels.items()))
    registration: dict[str, YamlValue] = {
        "name": node.name,
        "criSocket": CRI_SOCKET,
        "kubeletExtraArgs": extra_arguments(plan, {**flags, **node.spec.kubelet_extra_args}),
    }
    if node.spec.taints is not None:
        registration["taints"] = [
            {"key": taint.key, "value": taint.value, "effect": taint.effect.value}
            for taint in node.spec.taints
        ]
    return registration


def _ignored(plan: Plan, node: NodePlan, *errors: str) -> dict[str, YamlValue]:
    """Those errors of preflight, and the one that a control plane has beside external etcd."""
    if not plan.stacked and node.kind in CONTROL_PLANE_KINDS:
        errors = (*errors, ASKS_EVERY_MEMBER)
    return {"ignorePreflightErrors": errors} if errors else {}


def go_duration(text: str) -> str:
    """A duration like 24h or 30d as Go reads it."""
    number, unit = int(text[:-1]), text[-1]
    hours = {"y": 365 * 24, "d": 24}
    return f"{number * hours[unit]}h" if unit in hours else text


def _patches(plan: Plan, kind: NodeKind) -> dict[str, YamlValue]:
    return {"patches": {"directory": str(PATCHES)}} if has_patches(plan, kind) else {}


def _timeouts(plan: Plan) -> dict[str, YamlValue]:
    if not plan.facts.lists_arguments:
        return {}
    return {"timeouts": {"controlPlaneComponentHealthCheck": COMPONENT_TIMEOUT}}
