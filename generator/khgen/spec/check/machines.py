"""The machines: names, operating system, labels, taints and kubelet flags."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType

from khgen.facts.distributions import family_of, releases_of
from khgen.problems import Finding, Severity, quoted
from khgen.spec.check import Check
from khgen.spec.model import ClusterSpec, NodeRole
from khgen.spec.model.machine import SelinuxMode, TimeProgram

LINUX_NAME_MAX = 64
"""hostname(7), HOST_NAME_MAX: the longest host name."""


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
"""Labels under kubernetes.io that a kubelet may set on its node (staging k8s.io/kubelet/pkg/apis)."""
RESERVED_DOMAINS = ("kubernetes.io", "k8s.io")

KUBELET_FLAGS: Mapping[str, str] = MappingProxyType(
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
SYSCTLS = ("os", "sysctl", "extra")
SET_BY_KUBE_PROXY: Mapping[str, str] = MappingProxyType(
    {
        "net.netfilter.nf_conntrack_max": "maxPerCore and min",
        "net.nf_conntrack_max": "maxPerCore and min",
        "net.netfilter.nf_conntrack_tcp_timeout_established": "tcpEstablishedTimeout",
        "net.netfilter.nf_conntrack_tcp_timeout_close_wait": "tcpCloseWaitTimeout",
    }
)
"""cmd/kube-proxy/app/conntrack.go, with the fields of KubeProxyConfiguration.conntrack.

At boot nf_conntrack is not loaded yet, and systemd-sysctl only logs that the settings do not exist.
kube-proxy loads it later, and writes its own values.
"""


def duplicate_names(spec: ClusterSpec) -> Iterator[Finding]:
    """Two machines with the same name."""
    first: dict[str, int] = {}
    for index, node in enumerate(spec.nodes):
        other = first.setdefault(node.name, index)
        if other != index:
            message = f"name {quoted(node.name)} is already used by nodes[{other}]"
            yield Finding(path=("nodes", index, "name"), message=message, hint="rename one of them")


def long_names(spec: ClusterSpec) -> Iterator[Finding]:
    """A name that is too long for a Linux host name."""
    for index, node in enumerate(spec.nodes):
        if len(node.name) > LINUX_NAME_MAX:
            message = (
                f"name {quoted(node.name)} is {len(node.name)} characters long, "
                f"a Linux host name has at most {LINUX_NAME_MAX}"
            )
            yield Finding(path=("nodes", index, "name"), message=message, hint="shorten it")


def unknown_release(spec: ClusterSpec) -> Iterator[Finding]:
    """A release that khgen does not support."""
    known = releases_of(spec.os.family)
    release = spec.os.release
    if release in known:
        return
    message = f"{spec.os.family} {quoted(release)} is not one of: {', '.join(known)}"
    major = release.partition(".")[0]
    hint = f"write {major}: the minor release is not needed" if major in known else ""
    yield Finding(path=("os", "release"), message=message, hint=hint)


def time_program(spec: ClusterSpec) -> Iterator[Finding]:
    """systemd-timesyncd on a distribution without it, or time sources that nothing uses."""
    sync = spec.os.time_sync
    path = ("os", "timeSync", "program")
    family = family_of(spec.os.family)
    if sync.program is TimeProgram.TIMESYNCD and family.timesyncd_package is None:
        message = f"timesyncd is not packaged for the {family.name} family"
        yield Finding(path=path, message=message, hint="use chrony")
    if sync.program is TimeProgram.UNMANAGED and (sync.pools or sync.servers):
        message = "pools and servers have no effect while timeSync.program is unmanaged"
        yield Finding(path=path, message=message, hint="use chrony, or remove pools and servers")


def selinux_elsewhere(spec: ClusterSpec) -> Iterator[Finding]:
    """An SELinux setting on a family that does not use SELinux."""
    if spec.os.selinux is SelinuxMode.PERMISSIVE and not family_of(spec.os.family).selinux:
        message = f"selinux: permissive has no effect on {spec.os.family}, which uses AppArmor"
        yield Finding(path=("os", "selinux"), message=message, severity=Severity.WARNING)


def own_kubelet_flags(spec: ClusterSpec) -> Iterator[Finding]:
    """Kubelet flags that khgen or kubeadm sets."""
    for index, node in enumerate(spec.nodes):
        for flag in node.kubelet_extra_args:
            if flag in KUBELET_FLAGS:
                message = f"kubelet flag {quoted(flag)} is set by khgen or kubeadm"
                path = ("nodes", index, "kubeletExtraArgs", flag)
                hint = KUBELET_FLAGS[flag] or "remove it"
                yield Finding(path=path, message=message, hint=hint, at_key=True)


def forbidden_labels(spec: ClusterSpec) -> Iterator[Finding]:
    """Labels that a kubelet may not set on its own Node."""
    for index, node in enumerate(spec.nodes):
        for key in node.labels:
            if not may_set(key):
                message = f"a kubelet may not set the label {quoted(key)} on its own node"
                hint = "use your own domain or node.kubernetes.io/..., or run kubectl label later"
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
    """Labels and taints of hosts that are not Kubernetes nodes."""
    for index, node in enumerate(spec.nodes):
        if node.role in {NodeRole.CONTROL_PLANE, NodeRole.WORKER}:
            continue
        for key, value in (("labels", node.labels), ("taints", node.taints)):
            if value:
                message = f"{key} have no effect: {node.role} hosts are not Kubernetes nodes"
                yield Finding(
                    path=("nodes", index, key),
                    message=message,
                    hint="remove them",
                    severity=Severity.WARNING,
                    at_key=True,
                )


def duplicate_taints(spec: ClusterSpec) -> Iterator[Finding]:
    """Two taints with the same key and effect: the API server refuses them."""
    for index, node in enumerate(spec.nodes):
        seen = set()
        for number, taint in enumerate(node.taints or ()):
            if (taint.key, taint.effect) in seen:
                message = f"taint {quoted(taint.key)} with {taint.effect} is given twice"
                path = ("nodes", index, "taints", number)
                yield Finding(path=path, message=message, hint="keep one of them")
            seen.add((taint.key, taint.effect))


def set_by_kube_proxy(spec: ClusterSpec) -> Iterator[Finding]:
    """Settings that kube-proxy overwrites."""
    for key in spec.os.sysctl.extra:
        name = key.removeprefix("-").replace("/", ".")
        fields = next((f for n, f in SET_BY_KUBE_PROXY.items() if fnmatchcase(n, name)), None)
        if fields is not None:
            message = f"{quoted(key)} has no effect: kube-proxy sets it when it starts"
            hint = f"use {fields} of kubernetes.kubeProxy.config.conntrack"
            yield Finding(path=(*SYSCTLS, key), message=message, hint=hint, at_key=True)


CHECKS = (
    # The message names a node by its index, so no node is skipped: no real name is that of a stand-in.
    Check(find=duplicate_names),
    Check(find=long_names, of_nodes=("name",)),
    Check(find=unknown_release, reads=(("os", "family"), ("os", "release"))),
    Check(find=time_program, reads=(("os", "family"), ("os", "timeSync"))),
    Check(find=selinux_elsewhere, reads=(("os", "family"), ("os", "selinux"))),
    Check(find=own_kubelet_flags),
    Check(find=forbidden_labels),
    Check(find=settings_of_no_node, of_nodes=("role",)),
    Check(find=duplicate_taints),
    Check(find=set_by_kube_proxy, reads=(SYSCTLS,)),
)
