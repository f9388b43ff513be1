"""Versions: the minors khgen knows, and the skew that kubeadm and Kubernetes allow.

Source: kubernetes.io Version Skew Policy; kubeadm 1.29 app/constants/constants.go
(MinimumControlPlaneVersion, MinimumKubeletVersion).
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from khgen.facts.kubernetes import SUPPORTED_MINORS
from khgen.facts.version import KubernetesVersion
from khgen.problems import Finding
from khgen.spec.check.rule import Check
from khgen.spec.model import ClusterSpec

VERSION = ("kubernetes", "version")
PACKAGE_VERSIONS = ("install", "packageVersions")
ALLOWED_SKEW: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"kubeadm": (0, 1), "kubelet": (-3, 0), "kubectl": (-1, 1)}
)
"""How many minors a program may be older and newer than the control plane."""
RULES: Mapping[str, str] = MappingProxyType(
    {
        "kubeadm": "kubeadm deploys its own minor and the one before",
        "kubelet": "the kubelet may be up to three minors older than the API server, never newer",
        "kubectl": "kubectl may be one minor older or newer than the API server",
    }
)


def unsupported_minor(spec: ClusterSpec) -> Iterator[Finding]:
    """A Kubernetes that khgen has no facts about."""
    minor = KubernetesVersion.parse(spec.kubernetes.version).minor
    if minor not in SUPPORTED_MINORS:
        first, last = SUPPORTED_MINORS[0], SUPPORTED_MINORS[-1]
        message = f"Kubernetes {minor} is not supported"
        yield Finding(path=VERSION, message=message, hint=f"use a version of {first} to {last}")


def program_skew(spec: ClusterSpec) -> Iterator[Finding]:
    """kubeadm, kubelet or kubectl too far from the control plane."""
    wanted = KubernetesVersion.parse(spec.kubernetes.version)
    for program, (older, newer) in ALLOWED_SKEW.items():
        text: str | None = getattr(spec.install.package_versions, program)
        if text is None:
            continue
        version = KubernetesVersion.parse(text)
        ahead = version.minor_number - wanted.minor_number
        if version.major != wanted.major or not older <= ahead <= newer:
            message = f"{program} {version} does not go with Kubernetes {spec.kubernetes.version}"
            yield Finding(path=(*PACKAGE_VERSIONS, program), message=message, hint=RULES[program])


def kubelet_newer_than_kubeadm(spec: ClusterSpec) -> Iterator[Finding]:
    """A kubelet that kubeadm refuses: newer than itself, or more than three minors older."""
    versions = spec.install.package_versions
    if versions.kubeadm is None or versions.kubelet is None:
        return
    kubeadm = KubernetesVersion.parse(versions.kubeadm)
    kubelet = KubernetesVersion.parse(versions.kubelet)
    if not 0 <= kubeadm.minor_number - kubelet.minor_number <= 3:
        message = f"kubelet {kubelet} does not go with kubeadm {kubeadm}"
        hint = "kubeadm takes kubelets of its own minor and three before"
        yield Finding(path=(*PACKAGE_VERSIONS, "kubelet"), message=message, hint=hint)


CHECKS = (
    Check(find=unsupported_minor, reads=(VERSION,)),
    Check(find=program_skew, reads=(VERSION, PACKAGE_VERSIONS)),
    Check(find=kubelet_newer_than_kubeadm, reads=(PACKAGE_VERSIONS,)),
)
