"""Settings that give up a protection: errors where one node could act for another, else warnings."""

from collections.abc import Iterator

from khgen.problems import Finding, Severity, ValuePath, quoted
from khgen.spec.check.go_text import go_list
from khgen.spec.check.rule import Check
from khgen.spec.check.weak_settings import (
    API_SERVER,
    CONTROLLER_MANAGER,
    ETCD,
    KUBELET,
    KUBELET_CONFIG,
    SCHEDULER,
    WEAK_FIELDS,
    WEAK_FLAGS,
)
from khgen.spec.model import ClusterSpec


def node_authorization(spec: ClusterSpec) -> Iterator[Finding]:
    """API server flags under which one node's identity could act for other nodes."""
    flags = spec.kubernetes.api_server.extra_args
    modes = flags.get("authorization-mode")
    if modes is not None and not {"Node", "RBAC"} <= set(go_list(modes)):
        message = f"authorization-mode {quoted(modes)} lacks Node or RBAC, which kubeadm builds on"
        hint = "write Node,RBAC and further modes after it"
        yield Finding(path=(*API_SERVER, "authorization-mode"), message=message, hint=hint)
    plugins = flags.get("enable-admission-plugins")
    if plugins is not None and "NodeRestriction" not in go_list(plugins):
        message = (
            f"enable-admission-plugins {quoted(plugins)} lacks NodeRestriction: it replaces"
            " kubeadm's own value, and a kubelet could change any Node"
        )
        hint = "write NodeRestriction and further plugins after it"
        yield Finding(path=(*API_SERVER, "enable-admission-plugins"), message=message, hint=hint)
    if "NodeRestriction" in go_list(flags.get("disable-admission-plugins", "")):
        message = "without the admission plugin NodeRestriction a kubelet could change any Node"
        hint = "leave NodeRestriction out of it"
        yield Finding(path=(*API_SERVER, "disable-admission-plugins"), message=message, hint=hint)


def weak_flags(spec: ClusterSpec) -> Iterator[Finding]:
    """Flags that give up a protection."""
    for holder, path, flags in _flags(spec):
        for row in WEAK_FLAGS:
            if holder in row.of and row.name in flags and row.weak(flags[row.name]):
                message = f"{row.name}={flags[row.name][:60]} {row.gives_up}"
                yield _warning((*path, row.name), message, row.hint)


def weak_kubelet_fields(spec: ClusterSpec) -> Iterator[Finding]:
    """Fields of KubeletConfiguration that give up a protection."""
    for row in WEAK_FIELDS:
        value: object = spec.kubernetes.kubelet.config
        for step in row.path:
            value = value.get(step) if isinstance(value, dict) else None
        if row.weak(value):
            message = f"{'.'.join(row.path)} {quoted(value)} {row.gives_up}"
            yield _warning((*KUBELET_CONFIG, *row.path), message, "leave it out")


def _flags(spec: ClusterSpec) -> Iterator[tuple[ValuePath, ValuePath, dict[str, str]]]:
    """The flags of each component: whose they are, and their path."""
    kubernetes = spec.kubernetes
    for path, flags in (
        (API_SERVER, kubernetes.api_server.extra_args),
        (CONTROLLER_MANAGER, kubernetes.controller_manager.extra_args),
        (SCHEDULER, kubernetes.scheduler.extra_args),
        (ETCD, spec.etcd.extra_args),
    ):
        yield path, path, flags
    for index, node in enumerate(spec.nodes):
        yield KUBELET, ("nodes", index, "kubeletExtraArgs"), node.kubelet_extra_args


def _warning(path: ValuePath, message: str, hint: str) -> Finding:
    return Finding(path=path, message=message, hint=hint, severity=Severity.WARNING)


CHECKS = (
    Check(find=node_authorization, reads=(API_SERVER,)),
    Check(find=weak_flags),
    Check(find=weak_kubelet_fields),
)
