"""Flags and feature gates that the spec's Kubernetes minor does not know, or has locked.

A component that gets an unknown flag, an unknown gate, or another value of a locked gate ends at once.
`khgen upgrade plan` runs the same checks for each minor on the way.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from khgen.facts.component_flags import FLAGS
from khgen.facts.feature_gates import GATES, KUBEADM_GATES, locked_value
from khgen.facts.known_names import KnownNames, is_before
from khgen.facts.kubernetes import SUPPORTED_MINORS
from khgen.facts.version import KubernetesVersion
from khgen.problems import Finding, ValuePath, quoted
from khgen.spec.check import Check
from khgen.spec.check.components import (
    API_SERVER,
    CONTROLLER_MANAGER,
    PACKAGE_VERSIONS,
    SCHEDULER,
    VERSION,
    component_flags,
    go_bool,
    go_list,
)
from khgen.spec.model import ClusterSpec, NodeRole

COMPONENTS: Mapping[ValuePath, str] = {
    API_SERVER: "kube-apiserver",
    CONTROLLER_MANAGER: "kube-controller-manager",
    SCHEDULER: "kube-scheduler",
}
GATES_FLAG = "feature-gates"
COMPONENT_PREFIX = "kube:"
"""May stand before each gate from 1.31 on (component-base, ComponentGlobalsRegistry)."""
RUNS_KUBELET = frozenset({NodeRole.CONTROL_PLANE, NodeRole.WORKER, NodeRole.ETCD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A component that reads flags or gates, and its minor."""

    name: str
    minor: str

    def unknown(
        self, what: str, name: str, known: KnownNames, path: ValuePath
    ) -> Iterator[Finding]:
        """An error if this minor does not know the name."""
        names = known.of(self.minor)
        if name in names or self.minor not in SUPPORTED_MINORS:
            return
        message = f"{self.name} {self.minor} has no {what} {quoted(name)}"
        added, removed = known.added_in(name), known.removed_in(name)
        if added is not None and is_before(self.minor, added):
            hint = f"remove it until the cluster runs {added}, the first minor that has it"
        elif removed is not None:
            message += f": Kubernetes {removed} removed it"
            hint = "remove it"
        else:
            close = get_close_matches(name[:64], names, n=1)
            hint = f"did you mean {quoted(close[0])}?" if close else "remove it"
        yield Finding(path=path, message=message, hint=hint, at_key=True)


def unknown_flags(spec: ClusterSpec) -> Iterator[Finding]:
    """Flags of the API server, controller manager, scheduler and kubelets."""
    minor = KubernetesVersion.parse(spec.kubernetes.version).minor
    for path, flags in component_flags(spec):
        if path in COMPONENTS:
            yield from _flags(Reader(name=COMPONENTS[path], minor=minor), path, flags)
    kubelet = Reader(name="kubelet", minor=kubelet_minor(spec))
    for place, node in enumerate(spec.nodes):
        if node.role in RUNS_KUBELET:
            path = ("nodes", place, "kubeletExtraArgs")
            yield from _flags(kubelet, path, node.kubelet_extra_args)


def unusable_gates(spec: ClusterSpec) -> Iterator[Finding]:
    """Gates of the components and of kubeadm."""
    minor = KubernetesVersion.parse(spec.kubernetes.version).minor
    kubeadm = Reader(name="kubeadm", minor=minor)
    for gate in spec.kubernetes.feature_gates:
        path = ("kubernetes", "featureGates", gate)
        yield from kubeadm.unknown("feature gate", gate, KUBEADM_GATES, path)
    for component, path, gates in (
        ("kubelet", ("kubernetes", "kubelet", "config"), spec.kubernetes.kubelet.config),
        ("kube-proxy", ("kubernetes", "kubeProxy", "config"), spec.kubernetes.kube_proxy.config),
    ):
        found = gates.get("featureGates")
        of = kubelet_minor(spec) if component == "kubelet" else minor
        for gate, value in found.items() if isinstance(found, dict) else ():
            if isinstance(value, bool):
                at = (*path, "featureGates", gate)
                yield from _gate(Reader(name=component, minor=of), gate, at, value=value)


def kubelet_minor(spec: ClusterSpec) -> str:
    """The minor of the kubelets."""
    own = spec.install.package_versions.kubelet
    return KubernetesVersion.parse(own or spec.kubernetes.version).minor


def _flags(reader: Reader, path: ValuePath, flags: Mapping[str, str]) -> Iterator[Finding]:
    for flag, value in flags.items():
        at = (*path, flag)
        yield from reader.unknown("flag", flag, FLAGS[reader.name], at)
        if flag == GATES_FLAG:
            for setting in filter(None, go_list(value)):
                gate, _, text = setting.removeprefix(COMPONENT_PREFIX).partition("=")
                yield from _gate(reader, gate, at, value=go_bool(text))


def _gate(reader: Reader, gate: str, path: ValuePath, *, value: bool | None) -> Iterator[Finding]:
    yield from reader.unknown("feature gate", gate, GATES, path)
    locked = locked_value(gate, reader.minor)
    if None not in {locked, value} and locked is not value and gate in GATES.of(reader.minor):
        message = f"{reader.name} {reader.minor} has locked the feature gate {quoted(gate)}"
        only = str(locked).lower()
        yield Finding(path=path, message=f"{message} to {only}", hint="remove it", at_key=True)


CHECKS = (
    Check(
        find=unknown_flags,
        reads=(VERSION, PACKAGE_VERSIONS),
        of_nodes=("role", "kubeletExtraArgs"),
    ),
    Check(
        find=unusable_gates,
        reads=(
            VERSION,
            PACKAGE_VERSIONS,
            ("kubernetes", "featureGates"),
            ("kubernetes", "kubelet"),
            ("kubernetes", "kubeProxy"),
        ),
    ),
)
