"""The way from a running version of Kubernetes to a wanted one: a hop for each minor.

kubeadm upgrades one minor at a time (cmd/kubeadm/app/phases/upgrade/policy.go). Each hop has what it
needs, and what the spec uses that the hop's minor does not have.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from khgen.facts.kubernetes import MINORS, SUPPORTED_MINORS, MinorFacts, etcd_flags_for
from khgen.facts.version import KubernetesVersion, Version
from khgen.plan.cluster_plan import NodeKind, Plan, build_plan, founders_of
from khgen.plan.installation import KUBERNETES_PROGRAMS, baked, packages
from khgen.problems import Finding, Severity, ValuePath
from khgen.spec.check import component_configs, components, minor
from khgen.spec.model import ClusterSpec
from khgen.spec.model.machine import KubernetesSource

CHECKS = (
    *minor.CHECKS,
    *component_configs.CHECKS,
    *(check for check in components.CHECKS if components.VERSION in check.reads),
)
"""The checks whose findings depend on the version."""
OLDER_KUBELETS = -components.ALLOWED_SKEW["kubelet"][0]
NAME = re.compile(r"'([^']*)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A fact about a minor that an operator should know before the hop, with its source."""

    minor: str
    text: str
    source: str
    concerns: Callable[[ClusterSpec], bool] = lambda _: True


CDI_THROUGH_CRI = Version((1, 7, 2))
"""A spec's 1.7 is the newest 1.7."""
NOTES = (
    Note(
        minor="1.32",
        text="flowcontrol.apiserver.k8s.io/v1beta3 is no longer served: use v1 in manifests",
        source="CHANGELOG-1.32.md, Other (Cleanup or Flake)",
    ),
    Note(
        minor="1.32",
        text="containerd before 1.7.2 no longer gets the CDI devices of device plugins",
        source="CHANGELOG-1.32.md, #126435",
        concerns=lambda spec: (
            _containerd(spec) < CDI_THROUGH_CRI and _containerd(spec) != Version((1, 7))
        ),
    ),
    Note(
        minor="1.35",
        text="the kubelet and kubeadm's checks refuse cgroup v1: every node needs cgroup v2",
        source="CHANGELOG-1.35.md, #134298 and #134744",
    ),
    Note(
        minor="1.35",
        text="the kubelet has no --pod-infra-container-image: kubeadm removes it from"
        " /var/lib/kubelet/kubeadm-flags.env",
        source="CHANGELOG-1.35.md, #133778 and #133779",
    ),
    Note(
        minor="1.35",
        text="kubeadm warns about containerd 1.x, which has no RuntimeConfig; plan for 2.x",
        source="CHANGELOG-1.35.md, #134906",
        concerns=lambda spec: _containerd(spec) < Version((2,)),
    ),
    Note(
        minor="1.36",
        text="the last minor that works with containerd 1.7: 1.37 needs 2.x",
        source="CHANGELOG-1.36.md, #136846",
        concerns=lambda spec: _containerd(spec) < Version((2,)),
    ),
    Note(
        minor="1.36",
        text="kubeadm no longer mounts the folder of flex-volume-plugin-dir",
        source="CHANGELOG-1.36.md, #136423",
        concerns=lambda spec: (
            "flex-volume-plugin-dir" in spec.kubernetes.controller_manager.extra_args
        ),
    ),
)
"""What the changelogs ask of operators, as far as it concerns a cluster of khgen."""
ETCD_NOTE = Note(
    minor="",
    text="etcd moves from 3.5 to 3.6: its guide asks for 3.5.26 or newer on every member first",
    source="etcd.io/docs/v3.6/upgrades/upgrade_3_6",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One step of the way."""

    before: KubernetesVersion
    version: KubernetesVersion
    images: tuple[str, ...]
    programs: tuple[str, ...]
    """Packages, or URLs of binaries; none where an image brings them."""
    repository: str | None
    """Where packages come from."""
    oldest_kubelet: str
    """The oldest minor of kubelets that works with this version."""
    too_old: tuple[str, ...]
    """The running nodes with older kubelets."""
    config_api: str
    """API version of kubeadm's configuration."""
    migrates: bool
    """Whether the configuration has another API version than before."""
    notes: tuple[Note, ...]
    findings: tuple[Finding, ...]
    """What the spec has to change before this hop, each once on the whole way."""


class NoWayError(Exception):
    """There is no way to that version; the text says why."""


def way_to(
    spec: ClusterSpec,
    running: KubernetesVersion,
    wanted: KubernetesVersion,
    kubelets: Mapping[str, KubernetesVersion] | None = None,
) -> tuple[Hop, ...]:
    """The hops in order; none if the wanted version runs. `kubelets` are those of running nodes."""
    hops: list[Hop] = []
    seen: set[tuple[ValuePath, str]] = set()
    before = running
    for version in _versions(running, wanted):
        found = tuple(f for f in _findings(spec, version) if _subject(f) not in seen)
        seen.update(map(_subject, found))
        hops.append(_hop(spec, before, version, kubelets or {}, found))
        before = version
    return tuple(hops)


def is_blocked(hops: tuple[Hop, ...]) -> bool:
    """Whether the spec has an error on the way, or a node is too old for the first hop."""
    errors = (f for hop in hops for f in hop.findings if f.severity is Severity.ERROR)
    return any(True for _ in errors) or any(hop.too_old for hop in hops[:1])


def spec_at(spec: ClusterSpec, version: KubernetesVersion) -> ClusterSpec:
    """The spec with another version of Kubernetes."""
    kubernetes = spec.kubernetes.model_copy(update={"version": str(version)})
    return spec.model_copy(update={"kubernetes": kubernetes})


def _versions(running: KubernetesVersion, wanted: KubernetesVersion) -> Iterator[KubernetesVersion]:
    """The version of each hop; between the minors, the newest patch that khgen knows."""
    first, last = SUPPORTED_MINORS[0], SUPPORTED_MINORS[-1]
    if wanted.minor not in MINORS:
        message = f"Kubernetes {wanted.minor} is not supported: khgen knows {first} to {last}"
        raise NoWayError(message)
    if running.major != wanted.major or running.minor_number > wanted.minor_number:
        message = f"Kubernetes {wanted} is older than {running}: a control plane cannot go back"
        raise NoWayError(message)
    between = range(running.minor_number + 1, wanted.minor_number)
    for number in between:
        facts = MINORS.get(f"{running.major}.{number}")
        if facts is None:
            message = f"khgen knows no way from Kubernetes {running.minor}: it begins at {first}"
            raise NoWayError(message)
        yield KubernetesVersion((running.major, number, facts.newest_patch))
    if wanted != running:
        yield wanted


def _findings(spec: ClusterSpec, version: KubernetesVersion) -> Iterator[Finding]:
    at_hop = spec_at(spec, version)
    for check in CHECKS:
        yield from check.find(at_hop)


def _subject(finding: Finding) -> tuple[ValuePath, str]:
    """What a finding is about; the message names a minor, so it differs from hop to hop."""
    name = NAME.search(finding.message)
    return finding.path, name[1] if name else ""


def _hop(
    spec: ClusterSpec,
    before: KubernetesVersion,
    version: KubernetesVersion,
    kubelets: Mapping[str, KubernetesVersion],
    findings: tuple[Finding, ...],
) -> Hop:
    at_hop = spec_at(spec, version)
    plan = build_plan(at_hop, founders_of(at_hop))
    last = MINORS.get(before.minor)
    oldest = version.minor_number - OLDER_KUBELETS
    return Hop(
        before=before,
        version=version,
        images=hop_images(plan),
        programs=tuple(_programs(plan)),
        repository=_repository(plan),
        oldest_kubelet=f"{version.major}.{oldest}",
        too_old=tuple(sorted(n for n, own in kubelets.items() if own.minor_number < oldest)),
        config_api=f"kubeadm.k8s.io/{plan.facts.kubeadm_api}",
        migrates=last is not None and last.kubeadm_api != plan.facts.kubeadm_api,
        notes=tuple(_notes(spec, before, plan, last)),
        findings=findings,
    )


def hop_images(plan: Plan) -> tuple[str, ...]:
    """The images that kubeadm of the plan's version uses (app/images/images.go)."""
    repository = plan.spec.kubernetes.image_repository
    dns = "coredns/coredns" if repository == "registry.k8s.io" else "coredns"
    names = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
    return (
        *(f"{repository}/{name}:{plan.version.tag}" for name in names),
        f"{repository}/{dns}:{plan.facts.coredns_tag(plan.version.patch)}",
        plan.images.pause,
        plan.images.etcd,
    )


def _programs(plan: Plan) -> Iterator[str]:
    names = KUBERNETES_PROGRAMS[NodeKind.FOUNDER]
    source = plan.spec.install.kubernetes
    if source is KubernetesSource.PACKAGES and not baked(plan):
        wanted = (p for p in packages(plan, NodeKind.FOUNDER) if p.name in names)
        yield from (f"{package.name}={package.version}" for package in wanted)
    elif source is KubernetesSource.BINARIES and not baked(plan):
        base = f"https://dl.k8s.io/release/{plan.version.tag}/bin/linux"
        yield from (f"{base}/{plan.spec.install.architecture}/{name}" for name in names)


def _repository(plan: Plan) -> str | None:
    install = plan.spec.install
    if install.kubernetes is not KubernetesSource.PACKAGES or baked(plan):
        return None
    manager = plan.distribution.family.package_format
    return f"{install.kubernetes_repository.rstrip('/')}/v{plan.version.minor}/{manager.name}/"


def _notes(
    spec: ClusterSpec, before: KubernetesVersion, plan: Plan, last: MinorFacts | None
) -> Iterator[Note]:
    if before.minor == plan.version.minor:
        return
    old_etcd = spec.etcd.image_tag or ("" if last is None else last.etcd_tag(before.patch))
    new_etcd = plan.images.etcd.rpartition(":")[2]
    if old_etcd and etcd_flags_for(old_etcd) != etcd_flags_for(new_etcd):
        yield ETCD_NOTE
    at_hop = (note for note in NOTES if note.minor == plan.version.minor)
    yield from (note for note in at_hop if note.concerns(spec))


def _containerd(spec: ClusterSpec) -> Version:
    return Version.parse(spec.containerd.version)
