"""Settings that give up a protection: errors where one node could act for another, else warnings.

Flags and their meaning: the references of the components on kubernetes.io (1.29), etcd.io
(configuration options of 3.5), and Kubernetes' hardening guides. Flags that current versions no longer
have (`insecure-port`, `basic-auth-file`) are not here: the components do not start with them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from khgen.problems import Finding, Severity, ValuePath, quoted
from khgen.spec.check import Check
from khgen.spec.check.components import (
    API_SERVER,
    CONTROLLER_MANAGER,
    ETCD,
    SCHEDULER,
    component_flags,
    go_bool,
    go_int,
    go_list,
)
from khgen.spec.model import ClusterSpec

KUBELET: ValuePath = ("nodes", "kubeletExtraArgs")
"""Stands for the flags of each node."""
KUBELET_CONFIG: ValuePath = ("kubernetes", "kubelet", "config")
SERVERS = (API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KUBELET)

INSECURE_CIPHERS = frozenset(
    [
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
        "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
        "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
        "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
        "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
        "TLS_RSA_WITH_AES_128_CBC_SHA",
        "TLS_RSA_WITH_AES_128_CBC_SHA256",
        "TLS_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_RSA_WITH_AES_256_CBC_SHA",
        "TLS_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_RSA_WITH_RC4_128_SHA",
    ]
)
"""InsecureCipherSuites of Go 1.22's crypto/tls; the components accept them."""
OLD_TLS = frozenset({"VersionTLS10", "VersionTLS11"})


@dataclass(frozen=True, slots=True, kw_only=True)
class WeakFlag:
    """A flag of some components, with the values that give up a protection."""

    name: str
    of: tuple[ValuePath, ...]
    weak: Callable[[str], bool]
    gives_up: str
    hint: str = "remove it"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeakField:
    """A field of KubeletConfiguration that gives up a protection."""

    path: tuple[str, ...]
    weak: Callable[[object], bool]
    gives_up: str


def _on(text: str) -> bool:
    return go_bool(text) is True


def _off(text: str) -> bool:
    return go_bool(text) is False


def _given(text: str) -> bool:
    return bool(text)


def _always_allows(text: str) -> bool:
    return "AlwaysAllow" in go_list(text)


def _is_port(text: str) -> bool:
    return go_int(text) not in {None, 0}


def _old_tls(version: object) -> bool:
    return version in OLD_TLS


def _insecure_cipher(text: str) -> bool:
    return not INSECURE_CIPHERS.isdisjoint(go_list(text))


def plain(text: str) -> bool:
    """Whether one of the URLs is http://."""
    return any(url.lower().startswith("http://") for url in go_list(text))


ANONYMOUS_KUBELET = "lets anyone who reaches a node read its pods and run programs in them"
ALLOWS_ALL = "allows everything to everyone"
READ_ONLY_PORT = "shows pods and their environment to anyone who reaches a node"
ANY_MEMBER = "accepts a member's certificate from any address"
NO_TLS_12 = "allows versions of TLS that RFC 8996 forbids"
NO_SAFE_CIPHER = "allows cipher suites that Go calls insecure"

WEAK_FLAGS: tuple[WeakFlag, ...] = (
    WeakFlag(
        name="authorization-mode",
        of=(API_SERVER, KUBELET),
        weak=_always_allows,
        gives_up=ALLOWS_ALL,
        hint="remove AlwaysAllow",
    ),
    WeakFlag(
        name="token-auth-file",
        of=(API_SERVER,),
        weak=_given,
        gives_up="accepts tokens that never expire, from a plain text file",
        hint="use ServiceAccounts, OIDC or client certificates",
    ),
    WeakFlag(
        name="service-account-lookup",
        of=(API_SERVER,),
        weak=_off,
        gives_up="keeps the tokens of deleted ServiceAccounts valid",
    ),
    WeakFlag(name="anonymous-auth", of=(KUBELET,), weak=_on, gives_up=ANONYMOUS_KUBELET),
    WeakFlag(name="read-only-port", of=(KUBELET,), weak=_is_port, gives_up=READ_ONLY_PORT),
    WeakFlag(
        name="auto-tls",
        of=(ETCD,),
        weak=_on,
        gives_up="makes etcd use a certificate that no client can verify",
    ),
    WeakFlag(
        name="peer-auto-tls",
        of=(ETCD,),
        weak=_on,
        gives_up="makes etcd use a certificate that no member can verify",
    ),
    WeakFlag(
        name="experimental-peer-skip-client-san-verification",
        of=(ETCD,),
        weak=_on,
        gives_up=ANY_MEMBER,
    ),
    WeakFlag(name="peer-skip-client-san-verification", of=(ETCD,), weak=_on, gives_up=ANY_MEMBER),
    WeakFlag(
        name="listen-client-http-urls",
        of=(ETCD,),
        weak=plain,
        gives_up="serves etcd without TLS and client certificates",
        hint="use https, or remove it",
    ),
    WeakFlag(
        name="tls-min-version",
        of=SERVERS,
        weak=_old_tls,
        gives_up=NO_TLS_12,
        hint="use VersionTLS12 or VersionTLS13",
    ),
    WeakFlag(name="tls-cipher-suites", of=SERVERS, weak=_insecure_cipher, gives_up=NO_SAFE_CIPHER),
    WeakFlag(name="cipher-suites", of=(ETCD,), weak=_insecure_cipher, gives_up=NO_SAFE_CIPHER),
)
"""etcd's `client-cert-auth` and similar flags are not here: the spec may not set them."""

WEAK_FIELDS: tuple[WeakField, ...] = (
    WeakField(
        path=("authentication", "anonymous", "enabled"),
        weak=lambda value: value is True,
        gives_up=ANONYMOUS_KUBELET,
    ),
    WeakField(
        path=("authorization", "mode"),
        weak=lambda value: value == "AlwaysAllow",
        gives_up=ALLOWS_ALL,
    ),
    WeakField(
        path=("readOnlyPort",),
        weak=lambda value: isinstance(value, int) and value != 0,
        gives_up=READ_ONLY_PORT,
    ),
    WeakField(path=("tlsMinVersion",), weak=_old_tls, gives_up=NO_TLS_12),
    WeakField(
        path=("tlsCipherSuites",),
        weak=lambda value: (
            isinstance(value, list) and not INSECURE_CIPHERS.isdisjoint(map(str, value))
        ),
        gives_up=NO_SAFE_CIPHER,
    ),
)


def node_authorization(spec: ClusterSpec) -> Iterator[Finding]:
    """API server flags with which one node could act for others."""
    flags = spec.kubernetes.api_server.extra_args
    modes = flags.get("authorization-mode")
    if modes is not None and not {"Node", "RBAC"} <= set(go_list(modes)):
        message = f"authorization-mode {quoted(modes)} lacks Node or RBAC: kubeadm needs both"
        hint = "write Node,RBAC first, then further modes"
        yield Finding(path=(*API_SERVER, "authorization-mode"), message=message, hint=hint)
    plugins = flags.get("enable-admission-plugins")
    if plugins is not None and "NodeRestriction" not in go_list(plugins):
        message = (
            f"enable-admission-plugins {quoted(plugins)} lacks NodeRestriction: any"
            " kubelet could change any Node"
        )
        hint = "write NodeRestriction first, then further plugins"
        yield Finding(path=(*API_SERVER, "enable-admission-plugins"), message=message, hint=hint)
    if "NodeRestriction" in go_list(flags.get("disable-admission-plugins", "")):
        message = "without the admission plugin NodeRestriction any kubelet could change any Node"
        hint = "remove NodeRestriction"
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
            yield _warning((*KUBELET_CONFIG, *row.path), message, "remove it")


def _flags(spec: ClusterSpec) -> Iterator[tuple[ValuePath, ValuePath, Mapping[str, str]]]:
    """The flags of each component, with the component and their path."""
    for path, flags in component_flags(spec):
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
