"""Lifetimes of certificates and tokens against the time that machines may take to boot."""

from collections.abc import Iterator
from datetime import timedelta

from khgen.problems import Finding, Severity
from khgen.spec.check.rule import Check
from khgen.spec.model import ClusterSpec
from khgen.spec.model.cluster import CaKeys
from khgen.spec.model.values import duration_text

PKI = ("pki",)
LONGEST_BACKDATE = timedelta(days=10 * 365)


def shorter_than_boot_window(spec: ClusterSpec) -> Iterator[Finding]:
    """Certificates that can expire before the machine first boots."""
    window = spec.pki.boot_window
    lifetimes = (
        ("certificateValidity", spec.pki.certificate_validity),
        ("nodeIdentityValidity", spec.pki.node_identity_validity),
    )
    for key, lifetime in lifetimes:
        if lifetime is not None and lifetime < window:
            message = (
                f"{key} of {duration_text(lifetime)} is shorter than "
                f"the boot window of {duration_text(window)}"
            )
            hint = "lengthen it, or shorten pki.bootWindow"
            yield Finding(path=(*PKI, key), message=message, hint=hint)


def longer_than_ca(spec: ClusterSpec) -> Iterator[Finding]:
    """Certificates that outlive their authority."""
    longest = spec.pki.ca_validity
    lifetimes = (
        ("certificateValidity", spec.pki.certificate_validity),
        ("nodeIdentityValidity", spec.pki.node_identity_validity),
    )
    for key, lifetime in lifetimes:
        if lifetime is not None and lifetime > longest:
            message = (
                f"{key} of {duration_text(lifetime)} is longer than "
                f"the CA's own {duration_text(longest)}"
            )
            yield Finding(path=(*PKI, key), message=message, hint="lengthen pki.caValidity")


def no_lifetime(spec: ClusterSpec) -> Iterator[Finding]:
    """A lifetime of nothing at all."""
    for key, lifetime in (
        ("certificateValidity", spec.pki.certificate_validity),
        ("caValidity", spec.pki.ca_validity),
    ):
        if lifetime <= timedelta(0):
            yield Finding(path=(*PKI, key), message=f"{key} must be greater than zero")


def backdated_too_far(spec: ClusterSpec) -> Iterator[Finding]:
    """Certificates that would begin before X.509 can say so (UTCTime's 1950, RFC 5280)."""
    if spec.pki.backdate > LONGEST_BACKDATE:
        message = (
            f"backdate of {duration_text(spec.pki.backdate)} is longer than"
            f" {duration_text(LONGEST_BACKDATE)}"
        )
        hint = "it only needs to cover how far a machine's clock can be behind, like 24h"
        yield Finding(path=(*PKI, "backdate"), message=message, hint=hint)


def token_with_offline_keys(spec: ClusterSpec) -> Iterator[Finding]:
    """A token whose bearers would wait for a signature that nobody can give."""
    if spec.bootstrap_token is not None and spec.pki.ca_keys is CaKeys.OFFLINE:
        message = "a bootstrap token is of no use with pki.caKeys: offline"
        hint = "leave it out: without a CA key in the cluster no kubelet's request is ever signed"
        yield Finding(path=("bootstrapToken",), message=message, hint=hint, at_key=True)


def short_token(spec: ClusterSpec) -> Iterator[Finding]:
    """A token that may have expired before the last machine boots."""
    token, window = spec.bootstrap_token, spec.pki.boot_window
    if token is not None and token.ttl < timedelta(minutes=1):
        message = f"a ttl of {duration_text(token.ttl)} is over before anything can join"
        yield Finding(path=("bootstrapToken", "ttl"), message=message, hint="use 1h or more")
    elif token is not None and token.ttl > window:
        message = f"a shared token of {duration_text(token.ttl)} outlives the boot window"
        hint = f"use {duration_text(window)} or less"
        path = ("bootstrapToken", "ttl")
        yield Finding(path=path, message=message, hint=hint, severity=Severity.WARNING)


def serving_requests_with_offline_keys(spec: ClusterSpec) -> Iterator[Finding]:
    """Kubelets that ask for a serving certificate nobody can sign."""
    asked = spec.kubernetes.kubelet.config.get("serverTLSBootstrap") is True
    if asked and spec.pki.ca_keys is CaKeys.OFFLINE:
        message = "serverTLSBootstrap needs a CA key in the cluster, and pki.caKeys is offline"
        path = ("kubernetes", "kubelet", "config", "serverTLSBootstrap")
        yield Finding(path=path, message=message, hint="leave it out")


CHECKS = (
    Check(find=shorter_than_boot_window, reads=(PKI,)),
    Check(find=longer_than_ca, reads=(PKI,)),
    Check(find=no_lifetime, reads=(PKI,)),
    Check(find=backdated_too_far, reads=(PKI,)),
    Check(find=token_with_offline_keys, reads=(PKI, ("bootstrapToken",))),
    Check(find=short_token, reads=(PKI, ("bootstrapToken",))),
    Check(find=serving_requests_with_offline_keys, reads=(PKI, ("kubernetes", "kubelet"))),
)
