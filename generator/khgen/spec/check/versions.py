"""Versions: the minors khgen knows, and the skew that kubeadm and Kubernetes allow.

Source: kubernetes.io Version Skew Policy; kubeadm 1.29 app/constants/constants.go
(MinimumControlPlaneVersion, MinimumKubeletVersion).
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from khgen.problems import Finding
from khgen.spec.check.rule import Check
from khgen.spec.model import ClusterSpec
from khgen.spec.supported import SUPPORTED_MINORS

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


def numbers(version: str) -> tuple[int, int, int]:
    """The three numbers of a version that the schema has let pass."""
    major, minor, patch = (int(part) for part in version.split("."))
    return major, minor, patch


def minor_of(version: str) -> str:
    """Major and minor, like 1.29."""
    return version.rpartition(".")[0]


def unsupported_minor(spec: ClusterSpec) -> Iterator[Finding]:
    """A Kubernetes that khgen has no facts about."""
    minor = minor_of(spec.kubernetes.version)
    if minor not in SUPPORTED_MINORS:
        first, last = SUPPORTED_MINORS[0], SUPPORTED_MINORS[-1]
        message = f"Kubernetes {minor} is not supported"
        yield Finding(path=VERSION, message=message, hint=f"use a version of {first} to {last}")


def program_skew(spec: ClusterSpec) -> Iterator[Finding]:
    """kubeadm, kubelet or kubectl too far from the control plane."""
    major, minor, _ = numbers(spec.kubernetes.version)
    for program, (older, newer) in ALLOWED_SKEW.items():
        version: str | None = getattr(spec.install.package_versions, program)
        if version is None:
            continue
        its_major, its_minor, _ = numbers(version)
        if its_major != major or not older <= its_minor - minor <= newer:
            message = f"{program} {version} does not go with Kubernetes {spec.kubernetes.version}"
            yield Finding(path=(*PACKAGE_VERSIONS, program), message=message, hint=RULES[program])


def kubelet_newer_than_kubeadm(spec: ClusterSpec) -> Iterator[Finding]:
    """A kubelet that kubeadm refuses: newer than itself, or more than three minors older."""
    versions = spec.install.package_versions
    if versions.kubeadm is None or versions.kubelet is None:
        return
    behind = numbers(versions.kubeadm)[1] - numbers(versions.kubelet)[1]
    if not 0 <= behind <= 3:
        message = f"kubelet {versions.kubelet} does not go with kubeadm {versions.kubeadm}"
        hint = "kubeadm takes kubelets of its own minor and three before"
        yield Finding(path=(*PACKAGE_VERSIONS, "kubelet"), message=message, hint=hint)


CHECKS = (
    Check(find=unsupported_minor, reads=(VERSION,)),
    Check(find=program_skew, reads=(VERSION, PACKAGE_VERSIONS)),
    Check(find=kubelet_newer_than_kubeadm, reads=(PACKAGE_VERSIONS,)),
)
