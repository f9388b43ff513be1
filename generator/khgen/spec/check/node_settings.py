"""Labels, taints and kubelet flags of single nodes."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from khgen.problems import Finding, Severity, quoted
from khgen.spec.check.rule import Check
from khgen.spec.model import ClusterSpec, NodeRole

KUBELET_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
    }
)
KUBELET_NAMESPACES = ("kubelet.kubernetes.io", "node.kubernetes.io")
"""What a kubelet may say of itself under kubernetes.io (staging k8s.io/kubelet/pkg/apis)."""
RESERVED_DOMAINS = ("kubernetes.io", "k8s.io")

OWN_FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "bootstrap-kubeconfig": "",
        "cgroup-driver": "",
        "config": "use kubernetes.kubelet.config",
        "container-runtime-endpoint": "",
        "hostname-override": "the node's name is its host name",
        "kubeconfig": "",
        "node-ip": "it comes from address and additionalAddresses",
        "node-labels": "use labels",
        "pod-infra-container-image": "use containerd.sandboxImage",
        "pod-manifest-path": "",
        "register-with-taints": "use taints",
    }
)
"""Kubelet flags that khgen or kubeadm sets, and what to use instead."""


def own_kubelet_flags(spec: ClusterSpec) -> Iterator[Finding]:
    """Kubelet flags that come from elsewhere."""
    for index, node in enumerate(spec.nodes):
        for flag in node.kubelet_extra_args:
            if flag in OWN_FLAGS:
                message = f"kubelet flag {quoted(flag)} is set by khgen or kubeadm"
                path = ("nodes", index, "kubeletExtraArgs", flag)
                hint = OWN_FLAGS[flag] or "leave it out"
                yield Finding(path=path, message=message, hint=hint, at_key=True)


def forbidden_labels(spec: ClusterSpec) -> Iterator[Finding]:
    """Labels that the API server does not let a kubelet set on its own Node."""
    for index, node in enumerate(spec.nodes):
        for key in node.labels:
            if not may_set(key):
                message = f"a kubelet may not set the label {quoted(key)} on its own node"
                hint = "use a domain of your own, or node.kubernetes.io/..., or kubectl label"
                path = ("nodes", index, "labels", key)
                yield Finding(path=path, message=message, hint=hint, at_key=True)


def may_set(key: str) -> bool:
    """Whether a kubelet may register with a label (IsKubeletLabel, and --node-labels' own check)."""
    namespace = key.rpartition("/")[0]
    if key in KUBELET_LABELS or _within(namespace, KUBELET_NAMESPACES):
        return True
    return not _within(namespace, RESERVED_DOMAINS)


def _within(namespace: str, domains: tuple[str, ...]) -> bool:
    return any(namespace == domain or namespace.endswith(f".{domain}") for domain in domains)


def settings_of_no_node(spec: ClusterSpec) -> Iterator[Finding]:
    """Labels and taints of hosts that never become Kubernetes nodes."""
    for index, node in enumerate(spec.nodes):
        if node.role in {NodeRole.CONTROL_PLANE, NodeRole.WORKER}:
            continue
        for key, value in (("labels", node.labels), ("taints", node.taints)):
            if value:
                message = f"{key} have no effect: {node.role} hosts are not Kubernetes nodes"
                yield Finding(
                    path=("nodes", index, key),
                    message=message,
                    hint="leave them out",
                    severity=Severity.WARNING,
                    at_key=True,
                )


def duplicate_taints(spec: ClusterSpec) -> Iterator[Finding]:
    """Two taints with one key and effect, which the API server refuses."""
    for index, node in enumerate(spec.nodes):
        seen = set()
        for number, taint in enumerate(node.taints or ()):
            if (taint.key, taint.effect) in seen:
                message = f"taint {quoted(taint.key)} with {taint.effect} is there twice"
                path = ("nodes", index, "taints", number)
                yield Finding(path=path, message=message, hint="keep one of them")
            seen.add((taint.key, taint.effect))


CHECKS = (
    Check(find=own_kubelet_flags),
    Check(find=forbidden_labels),
    Check(find=settings_of_no_node, of_nodes=("role",)),
    Check(find=duplicate_taints),
)
