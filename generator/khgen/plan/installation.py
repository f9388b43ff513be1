"""What a node gets installed: packages, downloads, or programs that its image must have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from khgen.facts.version import KubernetesVersion, Version
from khgen.plan.cluster_plan import CONTROL_PLANE_KINDS, ETCD_KINDS, NodeKind, Plan
from khgen.spec.model.machine import (
    Artifact,
    ContainerdSource,
    KubernetesSource,
    TimeProgram,
)

KUBERNETES_PROGRAMS: Mapping[NodeKind, tuple[str, ...]] = MappingProxyType(
    {
        NodeKind.FOUNDER: ("kubeadm", "kubelet", "kubectl"),
        NodeKind.CONTROL_PLANE_JOINER: ("kubeadm", "kubelet", "kubectl"),
        NodeKind.WORKER: ("kubeadm", "kubelet", "kubectl"),
        NodeKind.ETCD_FOUNDER: ("kubelet",),
        NodeKind.ETCD_JOINER: ("kubelet",),
        NodeKind.LOAD_BALANCER: (),
    }
)
"""Programs of Kubernetes by kind: an etcd host has only the kubelet, as its service manager."""

DOWNLOAD_TARGETS: Mapping[str, str] = MappingProxyType(
    {
        "containerd": "/usr/local/",
        "runc": "/usr/local/sbin/runc",
        "cni_plugins": "/opt/cni/bin/",
        "nerdctl": "/usr/local/bin/",
        "buildkit": "/usr/local/",
        "crictl": "/usr/local/bin/",
        "kubeadm": "/usr/local/bin/kubeadm",
        "kubelet": "/usr/local/bin/kubelet",
        "kubectl": "/usr/local/bin/kubectl",
    }
)
"""The target of each download: a folder (ending in /) for an archive, else the file's path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package, pinned and held at its version (a shell pattern) if it has one."""

    name: str
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file to download, with its digest and its target."""

    sha256: str
    target: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program that the image must have, with a version if one is required."""

    name: str
    version: str | None = None


def hosts_kubernetes(kind: NodeKind) -> bool:
    """Whether nodes of that kind become Kubernetes Nodes."""
    return kind in CONTROL_PLANE_KINDS or kind is NodeKind.WORKER


def runs_containerd(kind: NodeKind) -> bool:
    """Whether nodes of that kind run containers: all except load balancers."""
    return kind is not NodeKind.LOAD_BALANCER


def balances_load(plan: Plan, kind: NodeKind) -> bool:
    """Whether nodes of that kind run haproxy and keepalived."""
    return any(node.kind is kind for node in plan.load_balancers)


def baked(plan: Plan) -> bool:
    """Whether the image brings everything, so nothing is downloaded."""
    install = plan.spec.install
    return plan.spec.image is not None or (
        install.kubernetes is KubernetesSource.IMAGE
        and install.containerd is ContainerdSource.IMAGE
    )


def program_version(plan: Plan, program: str) -> KubernetesVersion:
    """Version of kubeadm, kubelet or kubectl."""
    own: str | None = getattr(plan.spec.install.package_versions, program)
    return plan.version if own is None else KubernetesVersion.parse(own)


def packages(plan: Plan, kind: NodeKind) -> tuple[Package, ...]:
    """The packages that the install step installs on nodes of that kind."""
    if baked(plan):
        return ()
    family = plan.distribution.family
    plain = (*family.base_packages, *_time_packages(plan))
    if runs_containerd(kind):
        plain += family.preflight_packages
    if balances_load(plan, kind):
        plain += ("haproxy", "keepalived")
    pinned = (*_kubernetes_packages(plan, kind), *_containerd_packages(plan, kind))
    return (*pinned, *(Package(name=name) for name in plain))


def _time_packages(plan: Plan) -> tuple[str, ...]:
    program = plan.spec.os.time_sync.program
    timesyncd = plan.distribution.family.timesyncd_package
    if program is TimeProgram.TIMESYNCD and timesyncd is not None:
        return (timesyncd,)
    return ("chrony",) if program is TimeProgram.CHRONY else ()


def _kubernetes_packages(plan: Plan, kind: NodeKind) -> Iterator[Package]:
    if plan.spec.install.kubernetes is not KubernetesSource.PACKAGES:
        return
    for name in KUBERNETES_PROGRAMS[kind]:
        yield Package(name=name, version=f"{program_version(plan, name)}-*")
    if kind in ETCD_KINDS:  # On other nodes it comes as a dependency of kubeadm.
        yield Package(name="cri-tools")


def _containerd_packages(plan: Plan, kind: NodeKind) -> Iterator[Package]:
    source = plan.spec.install.containerd
    if runs_containerd(kind) and source is ContainerdSource.DOCKER:
        yield Package(name="containerd.io", version=_version_pattern(plan.spec.containerd.version))
    if runs_containerd(kind) and source is ContainerdSource.DISTRIBUTION:
        yield Package(name="containerd")


def _version_pattern(text: str) -> str:
    version = Version.parse(text)
    return f"{version}-*" if len(version.numbers) == 3 else f"{version}.*"


def downloads(plan: Plan, kind: NodeKind) -> tuple[Download, ...]:
    """What nodes of that kind download, in the order of DOWNLOAD_TARGETS."""
    if plan.spec.image is not None:
        return ()
    artifacts = plan.spec.install.artifacts
    found = ((name, getattr(artifacts, name)) for name in _downloaded(plan, kind))
    return tuple(
        Download(sha256=artifact.sha256, target=DOWNLOAD_TARGETS[name], url=artifact.url)
        for name, artifact in found
        if isinstance(artifact, Artifact)
    )


def _downloaded(plan: Plan, kind: NodeKind) -> Iterator[str]:
    if not runs_containerd(kind):
        return
    containerd = plan.spec.containerd
    if plan.spec.install.containerd is ContainerdSource.TARBALL:
        yield from ("containerd", "runc", "cni_plugins")
    if plan.spec.install.containerd is not ContainerdSource.IMAGE:
        yield from ("nerdctl",) * containerd.nerdctl  # No package repository has it.
        yield from ("buildkit",) * containerd.buildkit
    if plan.spec.install.kubernetes is KubernetesSource.BINARIES:
        if plan.spec.install.containerd is not ContainerdSource.TARBALL:
            yield "cni_plugins"  # else they come with the package kubernetes-cni
        yield from ("crictl", *KUBERNETES_PROGRAMS[kind])


def image_programs(plan: Plan, kind: NodeKind) -> tuple[Program, ...]:
    """The programs that an image for nodes of that kind must have."""
    return (
        *_image_kubernetes(plan, kind),
        *_image_containerd(plan, kind),
        *_image_rest(plan, kind),
    )


def _image_kubernetes(plan: Plan, kind: NodeKind) -> Iterator[Program]:
    if baked(plan) or plan.spec.install.kubernetes is KubernetesSource.IMAGE:
        for name in KUBERNETES_PROGRAMS[kind]:
            yield Program(name=name, version=str(program_version(plan, name)))


def _image_containerd(plan: Plan, kind: NodeKind) -> Iterator[Program]:
    from_image = baked(plan) or plan.spec.install.containerd is ContainerdSource.IMAGE
    if from_image and runs_containerd(kind):
        version = Version.parse(plan.spec.containerd.version)
        yield Program(name="containerd", version=str(version))
        yield Program(name="runc")
        yield from (Program(name="nerdctl"),) * plan.spec.containerd.nerdctl
        yield from (Program(name="buildkitd"),) * plan.spec.containerd.buildkit


def _image_rest(plan: Plan, kind: NodeKind) -> Iterator[Program]:
    if not baked(plan):
        return
    names = ["curl"]
    names += ["conntrack", "iptables"] if KUBERNETES_PROGRAMS[kind][:1] == ("kubeadm",) else []
    names += ["haproxy", "keepalived"] if balances_load(plan, kind) else []
    names += ["chronyd"] if plan.spec.os.time_sync.program is TimeProgram.CHRONY else []
    yield from (Program(name=name) for name in names)
