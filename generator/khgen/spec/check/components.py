"""Settings of Kubernetes' components that khgen or kubeadm must make themselves.

Flags: kubeadm 1.29 app/phases/controlplane/manifests.go and app/phases/etcd/local.go. A flag of
the static start in the uploaded configuration would be inherited by every later join and upgrade.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from khgen.facts.kubernetes import facts_for
from khgen.facts.version import KubernetesVersion
from khgen.problems import Finding, Severity, ValuePath, quoted
from khgen.spec.check.go_text import go_bool
from khgen.spec.check.rule import Check
from khgen.spec.check.versions import VERSION
from khgen.spec.model import ClusterSpec
from khgen.spec.model.cluster import ProxyMode

KUBERNETES = ("kubernetes",)
OWN_FLAGS: Mapping[ValuePath, frozenset[str]] = MappingProxyType(
    {
        ("kubernetes", "apiServer", "extraArgs"): frozenset(
            [
                "advertise-address",
                "client-ca-file",
                "etcd-cafile",
                "etcd-certfile",
                "etcd-keyfile",
                "etcd-servers",
                "kubelet-client-certificate",
                "kubelet-client-key",
                "proxy-client-cert-file",
                "proxy-client-key-file",
                "requestheader-client-ca-file",
                "secure-port",
                "service-account-key-file",
                "service-account-signing-key-file",
                "service-cluster-ip-range",
                "tls-cert-file",
                "tls-private-key-file",
            ]
        ),
        ("kubernetes", "controllerManager", "extraArgs"): frozenset(
            [
                "authentication-kubeconfig",
                "authorization-kubeconfig",
                "client-ca-file",
                "cluster-cidr",
                "cluster-name",
                "cluster-signing-cert-file",
                "cluster-signing-key-file",
                "kubeconfig",
                "requestheader-client-ca-file",
                "root-ca-file",
                "service-account-private-key-file",
                "service-cluster-ip-range",
                "use-service-account-credentials",
            ]
        ),
        ("kubernetes", "scheduler", "extraArgs"): frozenset(
            ("authentication-kubeconfig", "authorization-kubeconfig", "kubeconfig")
        ),
        ("etcd", "extraArgs"): frozenset(
            [
                "advertise-client-urls",
                "cert-file",
                "client-cert-auth",
                "data-dir",
                "force-new-cluster",
                "initial-advertise-peer-urls",
                "initial-cluster",
                "initial-cluster-state",
                "initial-cluster-token",
                "key-file",
                "listen-client-urls",
                "listen-metrics-urls",
                "listen-peer-urls",
                "name",
                "peer-cert-file",
                "peer-client-cert-auth",
                "peer-key-file",
                "peer-trusted-ca-file",
                "trusted-ca-file",
            ]
        ),
    }
)
KUBELET_FIELDS: Mapping[str, object] = MappingProxyType(
    {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "systemd",
        "staticPodPath": "/etc/kubernetes/manifests",
    }
)
"""Fields that may only say what is so anyway."""


def own_flags(spec: ClusterSpec) -> Iterator[Finding]:
    """Flags that come from elsewhere in the spec, or from the machine."""
    given = {
        ("kubernetes", "apiServer", "extraArgs"): spec.kubernetes.api_server.extra_args,
        ("kubernetes", "controllerManager", "extraArgs"): (
            spec.kubernetes.controller_manager.extra_args
        ),
        ("kubernetes", "scheduler", "extraArgs"): spec.kubernetes.scheduler.extra_args,
        ("etcd", "extraArgs"): spec.etcd.extra_args,
    }
    for path, flags in given.items():
        for flag in flags:
            if flag in OWN_FLAGS[path]:
                message = f"flag {quoted(flag)} is set by khgen or kubeadm"
                hint = "leave it out: every later join and upgrade would inherit it"
                yield Finding(path=(*path, flag), message=message, hint=hint, at_key=True)


def api_server_flags(spec: ClusterSpec) -> Iterator[Finding]:
    """API server flags that break the health checks or the encryption."""
    path = ("kubernetes", "apiServer", "extraArgs")
    flags = spec.kubernetes.api_server.extra_args
    if go_bool(flags.get("anonymous-auth")) is False:
        message = "anonymous-auth=false stops the health checks of haproxy and kubeadm"
        yield Finding(path=(*path, "anonymous-auth"), message=message, hint="leave it out")
    if spec.kubernetes.encryption_at_rest and "encryption-provider-config" in flags:
        message = "encryption-provider-config is set by encryptionAtRest"
        hint = "keep one of the two"
        at = (*path, "encryption-provider-config")
        yield Finding(path=at, message=message, hint=hint, at_key=True)


def feature_gates(spec: ClusterSpec) -> Iterator[Finding]:
    """kubeadm's feature gates that khgen sets itself, cannot work with, or that do not exist."""
    version = KubernetesVersion.parse(spec.kubernetes.version)
    facts = facts_for(version)
    known = None if facts is None else facts.feature_gates
    for gate, on in spec.kubernetes.feature_gates.items():
        path = ("kubernetes", "featureGates", gate)
        if gate == "PublicKeysECDSA":
            message = "PublicKeysECDSA follows from pki.algorithm"
            yield Finding(path=path, message=message, hint="leave it out", at_key=True)
        elif gate == "RootlessControlPlane" and on:
            message = "RootlessControlPlane gives the keys to other users than khgen does"
            yield Finding(path=path, message=message, hint="leave it out", at_key=True)
        elif known is not None and gate not in known:
            close = get_close_matches(gate[:64], known, n=1)
            hint = (
                f"did you mean {quoted(close[0])}?"
                if close
                else ("API server, kubelet and scheduler gates go into their own settings")
            )
            message = f"kubeadm {version.minor} has no feature gate {quoted(gate)}"
            yield Finding(path=path, message=message, hint=hint, at_key=True)


def kubelet_fields(spec: ClusterSpec) -> Iterator[Finding]:
    """KubeletConfiguration fields that the rest of the node depends on."""
    for field, value in KUBELET_FIELDS.items():
        given = spec.kubernetes.kubelet.config.get(field, value)
        if given != value:
            message = f"{field} must stay {quoted(value)}: the rest of the node depends on it"
            path = ("kubernetes", "kubelet", "config", field)
            yield Finding(path=path, message=message, hint="leave it out")


def kube_proxy_fields(spec: ClusterSpec) -> Iterator[Finding]:
    """KubeProxyConfiguration fields that contradict the spec, and a mode that is still closed."""
    proxy = spec.kubernetes.kube_proxy
    path = ("kubernetes", "kubeProxy")
    for field, value in (
        ("apiVersion", "kubeproxy.config.k8s.io/v1alpha1"),
        ("kind", "KubeProxyConfiguration"),
        ("mode", str(proxy.mode)),
    ):
        if proxy.config.get(field, value) != value:
            message = f"{field} in kubeProxy.config is not {quoted(value)}, as it is elsewhere"
            yield Finding(path=(*path, "config", field), message=message, hint="leave it out")
    gates = proxy.config.get("featureGates")
    opened = isinstance(gates, dict) and gates.get("NFTablesProxyMode") is True
    facts = facts_for(KubernetesVersion.parse(spec.kubernetes.version))
    if facts is None:
        return
    if proxy.mode is ProxyMode.NFTABLES and not facts.nftables_mode:
        if not opened:
            message = "kube-proxy's nftables mode is closed by default before Kubernetes 1.31"
            hint = "set kubeProxy.config.featureGates.NFTablesProxyMode, or use iptables"
            yield Finding(path=(*path, "mode"), message=message, hint=hint)
    elif proxy.mode is ProxyMode.IPVS and facts.ipvs_deprecated:
        message = "kube-proxy's ipvs mode is deprecated since Kubernetes 1.35"
        hint = "use nftables"
        at = (*path, "mode")
        yield Finding(path=at, message=message, hint=hint, severity=Severity.WARNING)


CHECKS = (
    Check(find=own_flags),
    Check(find=api_server_flags, reads=(KUBERNETES,)),
    Check(find=feature_gates, reads=(VERSION, ("kubernetes", "featureGates"))),
    Check(find=kubelet_fields, reads=(("kubernetes", "kubelet"),)),
    Check(find=kube_proxy_fields, reads=(VERSION, ("kubernetes", "kubeProxy"))),
)
