"""Lifetimes of certificates and tokens: long enough for machines that boot late."""

from collections.abc import Iterator
from datetime import timedelta

from khgen.problems import Finding, Severity
from khgen.spec.check import Check
from khgen.spec.model import ClusterSpec
from khgen.spec.model.cluster import CaKeys
from khgen.spec.model.values import duration_text

PKI = ("pki",)
LONGEST_BACKDATE = timedelta(days=10 * 365)


def _lifetimes(spec: ClusterSpec) -> Iterator[tuple[str, timedelta]]:
    """The lifetimes of leaf certificates that the spec sets, by their keys."""
    yield "certificateValidity", spec.pki.certificate_validity
    if spec.pki.node_identity_validity is not None:
        yield "nodeIdentityValidity", spec.pki.node_identity_validity


def shorter_than_boot_window(spec: ClusterSpec) -> Iterator[Finding]:
    """Certificates that can expire before the machine first boots."""
    window = spec.pki.boot_window
    for key, lifetime in _lifetimes(spec):
        if lifetime < window:
            message = (
                f"{key} of {duration_text(lifetime)} is shorter than "
                f"the boot window of {duration_text(window)}"
            )
            hint = "use a longer one, or a shorter pki.bootWindow"
            yield Finding(path=(*PKI, key), message=message, hint=hint)


def longer_than_ca(spec: ClusterSpec) -> Iterator[Finding]:
    """Certificates that are valid longer than their CA."""
    longest = spec.pki.ca_validity
    for key, lifetime in _lifetimes(spec):
        if lifetime > longest:
            message = (
                f"{key} of {duration_text(lifetime)} is longer than "
                f"caValidity of {duration_text(longest)}"
            )
            yield Finding(
                path=(*PKI, key),
                message=message,
                hint="use a shorter one, or a longer pki.caValidity",
            )


def no_lifetime(spec: ClusterSpec) -> Iterator[Finding]:
    """A lifetime of zero."""
    for key, lifetime in (
        ("certificateValidity", spec.pki.certificate_validity),
        ("caValidity", spec.pki.ca_validity),
    ):
        if lifetime <= timedelta(0):
            yield Finding(
                path=(*PKI, key), message=f"{key} must be greater than zero", hint="use 1y or more"
            )


def backdated_too_far(spec: ClusterSpec) -> Iterator[Finding]:
    """Certificates that would start before 1950, the first year in X.509 (UTCTime, RFC 5280)."""
    if spec.pki.backdate > LONGEST_BACKDATE:
        message = (
            f"backdate of {duration_text(spec.pki.backdate)} is longer than"
            f" {duration_text(LONGEST_BACKDATE)}"
        )
        hint = "use 24h: it only needs to cover clocks that are behind"
        yield Finding(path=(*PKI, "backdate"), message=message, hint=hint)


def token_with_offline_keys(spec: ClusterSpec) -> Iterator[Finding]:
    """A token for joins whose certificates cannot be signed."""
    if spec.bootstrap_token is not None and spec.pki.ca_keys is CaKeys.OFFLINE:
        message = "a bootstrap token does not work with pki.caKeys: offline"
        hint = "remove it: without a CA key the cluster cannot sign a kubelet's certificate"
        yield Finding(path=("bootstrapToken",), message=message, hint=hint, at_key=True)


def short_token(spec: ClusterSpec) -> Iterator[Finding]:
    """A token that expires too early, or too late."""
    token, window = spec.bootstrap_token, spec.pki.boot_window
    if token is not None and token.ttl < timedelta(minutes=1):
        message = f"a ttl of {duration_text(token.ttl)} expires before a node can join"
        yield Finding(path=("bootstrapToken", "ttl"), message=message, hint="use 1h or more")
    elif token is not None and token.ttl > window:
        message = (
            f"a shared token of {duration_text(token.ttl)} is valid longer than the boot window"
        )
        hint = f"use {duration_text(window)} or less"
        path = ("bootstrapToken", "ttl")
        yield Finding(path=path, message=message, hint=hint, severity=Severity.WARNING)


def serving_requests_with_offline_keys(spec: ClusterSpec) -> Iterator[Finding]:
    """Kubelets that request a serving certificate without a CA key to sign it."""
    asked = spec.kubernetes.kubelet.config.get("serverTLSBootstrap") is True
    if asked and spec.pki.ca_keys is CaKeys.OFFLINE:
        message = "serverTLSBootstrap needs a CA key in the cluster, but pki.caKeys is offline"
        path = ("kubernetes", "kubelet", "config", "serverTLSBootstrap")
        yield Finding(path=path, message=message, hint="remove it")


CHECKS = (
    Check(find=shorter_than_boot_window, reads=(PKI,)),
    Check(find=longer_than_ca, reads=(PKI,)),
    Check(find=no_lifetime, reads=(PKI,)),
    Check(find=backdated_too_far, reads=(PKI,)),
    Check(find=token_with_offline_keys, reads=(PKI, ("bootstrapToken",))),
    Check(find=short_token, reads=(PKI, ("bootstrapToken",))),
    Check(find=serving_requests_with_offline_keys, reads=(PKI, ("kubernetes", "kubelet"))),
)
