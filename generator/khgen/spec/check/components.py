"""Versions, flags and fields of Kubernetes' components."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from khgen.facts.kubernetes import SUPPORTED_MINORS, facts_for
from khgen.facts.version import KubernetesVersion
from khgen.problems import Finding, Severity, ValuePath, quoted
from khgen.spec.check import Check
from khgen.spec.model import ClusterSpec
from khgen.spec.model.cluster import ProxyMode

KUBERNETES = ("kubernetes",)
API_SERVER: ValuePath = ("kubernetes", "apiServer", "extraArgs")
CONTROLLER_MANAGER: ValuePath = ("kubernetes", "controllerManager", "extraArgs")
SCHEDULER: ValuePath = ("kubernetes", "scheduler", "extraArgs")
ETCD: ValuePath = ("etcd", "extraArgs")
"""The paths of the flags of each control-plane component."""
OWN_FLAGS: Mapping[ValuePath, frozenset[str]] = MappingProxyType(
    {
        API_SERVER: frozenset(
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
        CONTROLLER_MANAGER: frozenset(
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
        SCHEDULER: frozenset(
            ("authentication-kubeconfig", "authorization-kubeconfig", "kubeconfig")
        ),
        ETCD: frozenset(
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
"""Flags that khgen or kubeadm sets (kubeadm 1.29 app/phases/controlplane/manifests.go and
app/phases/etcd/local.go): every later join and upgrade would inherit another value."""
KUBELET_FIELDS: Mapping[str, object] = MappingProxyType(
    {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "systemd",
        "staticPodPath": "/etc/kubernetes/manifests",
    }
)
"""Fields whose values are fixed."""


VERSION = ("kubernetes", "version")
PACKAGE_VERSIONS = ("install", "packageVersions")
ALLOWED_SKEW: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"kubeadm": (0, 1), "kubelet": (-3, 0), "kubectl": (-1, 1)}
)
"""How many minors older and newer than the control plane a program may be.

Source: kubernetes.io Version Skew Policy; kubeadm 1.29 app/constants/constants.go
(MinimumControlPlaneVersion, MinimumKubeletVersion).
"""
RULES: Mapping[str, str] = MappingProxyType(
    {
        "kubeadm": "use a kubeadm of the same minor or the next one",
        "kubelet": "use a kubelet that is at most three minors older than the API server, and not newer",
        "kubectl": "use a kubectl of the same minor, one older or one newer",
    }
)
TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
"""The texts of strconv.ParseBool (https://pkg.go.dev/strconv#ParseBool): pflag and etcd use it."""


def go_bool(text: str | None) -> bool | None:
    """The text as strconv.ParseBool reads it; None without a text, or if Go refuses it."""
    if text in TRUE:
        return True
    return False if text in FALSE else None


def go_int(text: str) -> int | None:
    """The text as strconv.ParseInt with base 0 reads it; None if Go refuses it."""
    try:
        leading_zero = text.isdecimal() and text.isascii()
        return int(text, 8 if leading_zero and text.startswith("0") else 0)
    except ValueError:
        return None


def go_list(text: str) -> tuple[str, ...]:
    """The elements of a comma-separated list."""
    return tuple(part.strip() for part in text.split(","))


def component_flags(spec: ClusterSpec) -> tuple[tuple[ValuePath, Mapping[str, str]], ...]:
    """The flags that the spec gives to each component of the control plane, with their path."""
    kubernetes = spec.kubernetes
    return (
        (API_SERVER, kubernetes.api_server.extra_args),
        (CONTROLLER_MANAGER, kubernetes.controller_manager.extra_args),
        (SCHEDULER, kubernetes.scheduler.extra_args),
        (ETCD, spec.etcd.extra_args),
    )


def own_flags(spec: ClusterSpec) -> Iterator[Finding]:
    """Flags that khgen or kubeadm sets."""
    for path, flags in component_flags(spec):
        for flag in flags:
            if flag in OWN_FLAGS[path]:
                message = f"flag {quoted(flag)} is set by khgen or kubeadm"
                hint = "remove it: every later join and upgrade would inherit it"
                yield Finding(path=(*path, flag), message=message, hint=hint, at_key=True)


def api_server_flags(spec: ClusterSpec) -> Iterator[Finding]:
    """API server flags that break health checks or encryption at rest."""
    flags = spec.kubernetes.api_server.extra_args
    if go_bool(flags.get("anonymous-auth")) is False:
        message = "anonymous-auth=false breaks the health checks of haproxy and kubeadm"
        yield Finding(path=(*API_SERVER, "anonymous-auth"), message=message, hint="remove it")
    if spec.kubernetes.encryption_at_rest and "encryption-provider-config" in flags:
        message = "encryption-provider-config is set by encryptionAtRest"
        hint = "keep one of the two"
        at = (*API_SERVER, "encryption-provider-config")
        yield Finding(path=at, message=message, hint=hint, at_key=True)


def feature_gates(spec: ClusterSpec) -> Iterator[Finding]:
    """kubeadm's feature gates that khgen sets or does not support, or that do not exist."""
    version = KubernetesVersion.parse(spec.kubernetes.version)
    facts = facts_for(version)
    known = None if facts is None else facts.feature_gates
    for gate, on in spec.kubernetes.feature_gates.items():
        path = ("kubernetes", "featureGates", gate)
        if gate == "PublicKeysECDSA":
            message = "PublicKeysECDSA is set by pki.algorithm"
            yield Finding(path=path, message=message, hint="remove it", at_key=True)
        elif gate == "RootlessControlPlane" and on:
            message = (
                "RootlessControlPlane is not supported: it needs other owners of the key files"
            )
            yield Finding(path=path, message=message, hint="remove it", at_key=True)
        elif known is not None and gate not in known:
            close = get_close_matches(gate[:64], known, n=1)
            hint = (
                f"did you mean {quoted(close[0])}?"
                if close
                else ("give gates of the API server, kubelet or scheduler in their own settings")
            )
            message = f"kubeadm {version.minor} has no feature gate {quoted(gate)}"
            yield Finding(path=path, message=message, hint=hint, at_key=True)


def kubelet_fields(spec: ClusterSpec) -> Iterator[Finding]:
    """KubeletConfiguration fields whose values are fixed."""
    for field, value in KUBELET_FIELDS.items():
        given = spec.kubernetes.kubelet.config.get(field, value)
        if given != value:
            message = f"{field} must be {quoted(value)}: other parts of the node depend on it"
            path = ("kubernetes", "kubelet", "config", field)
            yield Finding(path=path, message=message, hint="remove it")


def kube_proxy_fields(spec: ClusterSpec) -> Iterator[Finding]:
    """KubeProxyConfiguration fields that contradict the spec, and modes that do not work."""
    proxy = spec.kubernetes.kube_proxy
    path = ("kubernetes", "kubeProxy")
    for field, value in (
        ("apiVersion", "kubeproxy.config.k8s.io/v1alpha1"),
        ("kind", "KubeProxyConfiguration"),
        ("mode", str(proxy.mode)),
    ):
        if proxy.config.get(field, value) != value:
            message = f"{field} in kubeProxy.config must be {quoted(value)}"
            yield Finding(path=(*path, "config", field), message=message, hint="remove it")
    gates = proxy.config.get("featureGates")
    opened = isinstance(gates, dict) and gates.get("NFTablesProxyMode") is True
    facts = facts_for(KubernetesVersion.parse(spec.kubernetes.version))
    if facts is None:
        return
    if proxy.mode is ProxyMode.NFTABLES and not facts.nftables_mode:
        if not opened:
            message = "kube-proxy's nftables mode is disabled by default before Kubernetes 1.31"
            hint = "set kubeProxy.config.featureGates.NFTablesProxyMode: true, or use iptables"
            yield Finding(path=(*path, "mode"), message=message, hint=hint)
    elif proxy.mode is ProxyMode.IPVS and facts.ipvs_deprecated:
        message = "kube-proxy's ipvs mode is deprecated since Kubernetes 1.35"
        hint = "use nftables"
        at = (*path, "mode")
        yield Finding(path=at, message=message, hint=hint, severity=Severity.WARNING)


def unsupported_minor(spec: ClusterSpec) -> Iterator[Finding]:
    """A Kubernetes version that khgen does not support."""
    minor = KubernetesVersion.parse(spec.kubernetes.version).minor
    if minor not in SUPPORTED_MINORS:
        first, last = SUPPORTED_MINORS[0], SUPPORTED_MINORS[-1]
        message = f"Kubernetes {minor} is not supported"
        yield Finding(path=VERSION, message=message, hint=f"use a version of {first} to {last}")


def program_skew(spec: ClusterSpec) -> Iterator[Finding]:
    """kubeadm, kubelet or kubectl outside the version skew policy."""
    wanted = KubernetesVersion.parse(spec.kubernetes.version)
    for program, (older, newer) in ALLOWED_SKEW.items():
        text: str | None = getattr(spec.install.package_versions, program)
        if text is None:
            continue
        version = KubernetesVersion.parse(text)
        ahead = version.minor_number - wanted.minor_number
        if version.major != wanted.major or not older <= ahead <= newer:
            message = f"{program} {version} does not work with Kubernetes {spec.kubernetes.version}"
            yield Finding(path=(*PACKAGE_VERSIONS, program), message=message, hint=RULES[program])


def kubelet_newer_than_kubeadm(spec: ClusterSpec) -> Iterator[Finding]:
    """A kubelet that kubeadm refuses: newer, or more than three minors older."""
    versions = spec.install.package_versions
    if versions.kubeadm is None or versions.kubelet is None:
        return
    kubeadm = KubernetesVersion.parse(versions.kubeadm)
    kubelet = KubernetesVersion.parse(versions.kubelet)
    if not 0 <= kubeadm.minor_number - kubelet.minor_number <= 3:
        message = f"kubelet {kubelet} does not work with kubeadm {kubeadm}"
        hint = "use a kubelet of kubeadm's minor, or at most three minors older"
        yield Finding(path=(*PACKAGE_VERSIONS, "kubelet"), message=message, hint=hint)


CHECKS = (
    Check(find=own_flags),
    Check(find=api_server_flags, reads=(KUBERNETES,)),
    Check(find=feature_gates, reads=(VERSION, ("kubernetes", "featureGates"))),
    Check(find=kubelet_fields, reads=(("kubernetes", "kubelet"),)),
    Check(find=kube_proxy_fields, reads=(VERSION, ("kubernetes", "kubeProxy"))),
    Check(find=unsupported_minor, reads=(VERSION,)),
    Check(find=program_skew, reads=(VERSION, PACKAGE_VERSIONS)),
    Check(find=kubelet_newer_than_kubeadm, reads=(PACKAGE_VERSIONS,)),
)
