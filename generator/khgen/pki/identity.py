"""What a running cluster cannot change: recorded facts, and the errors for specs that change them.

One table has every recorded fact. The next render records a fact that the secrets file lacks, so
older files and new facts need no migration.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from posixpath import normpath
from types import MappingProxyType

from khgen.facts.version import KubernetesVersion
from khgen.plan.cluster_plan import endpoint_of
from khgen.problems import Finding, Severity, ValuePath
from khgen.spec.model import ClusterSpec
from khgen.spec.model.cluster import EtcdTopology, KeyAlgorithm
from khgen.spec.model.texts import SUBDOMAIN_1123
from khgen.spec.model.values import parse_network_list

BEFORE_BOOT = "if no machine has booted yet: khgen secrets refound SPEC"
VERSION: ValuePath = ("kubernetes", "version")
_NEEDED_FOR: Mapping[bool, str] = MappingProxyType(
    {
        True: "a control plane cannot return to an older minor",
        False: "kubeadm upgrades one minor at a time: khgen upgrade plan SPEC shows the way",
    }
)
"""For a version below the last one, and for one too far above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One value that a running cluster cannot change."""

    key: str
    """Its name in the secrets file, under `identity`."""
    what: str
    path: ValuePath
    """Its key in the spec."""
    read: Callable[[ClusterSpec], str]
    meaning: Callable[[str], object]
    """The form in which two values are compared; raises ValueError for an invalid value."""
    accepted: str
    needed: str
    """What a change would take."""
    has_parts: bool = False
    """Whether it has several values in the spec, so that errors point at their common key."""


def _networks(text: str) -> object:
    return parse_network_list(text).networks


def _authority(text: str) -> object:
    host, separator, port = text.rpartition(":")
    if not separator or not host or not re.fullmatch("[0-9]{1,5}", port):
        raise ValueError
    try:
        return ip_address(host.strip("[]")), int(port)
    except ValueError:
        return host.lower(), int(port)


def _path(text: str) -> object:
    if not text.startswith("/"):
        raise ValueError
    return normpath(text)


def _matching(pattern: str) -> Callable[[str], object]:
    def meaning(text: str) -> object:
        if not re.fullmatch(pattern, text):
            raise ValueError
        return text

    return meaning


FACTS: tuple[Fact, ...] = (
    Fact(
        key="podSubnet",
        what="the pod network",
        path=("networking", "podSubnet"),
        read=lambda spec: spec.networking.pod_subnet.text,
        meaning=_networks,
        accepted="a network like 10.244.0.0/16",
        needed="nodes and pods have addresses in it: a change needs a new cluster, or moving the"
        " CNI and the nodes by hand",
    ),
    Fact(
        key="serviceSubnet",
        what="the service network",
        path=("networking", "serviceSubnet"),
        read=lambda spec: spec.networking.service_subnet.text,
        meaning=_networks,
        accepted="a network like 10.96.0.0/12",
        needed="Services, cluster DNS and API server certificates have addresses in it: a change"
        " needs a new cluster",
    ),
    Fact(
        key="dnsDomain",
        what="the DNS domain",
        path=("networking", "dnsDomain"),
        read=lambda spec: spec.networking.dns_domain,
        meaning=_matching(SUBDOMAIN_1123),
        accepted="a DNS domain",
        needed="kubelets, CoreDNS and service account tokens contain it: a change needs a new"
        " cluster",
    ),
    Fact(
        key="endpoint",
        what="the control-plane endpoint",
        path=("controlPlaneEndpoint",),
        read=lambda spec: endpoint_of(spec).authority,
        meaning=_authority,
        accepted="host:port",
        has_parts=True,
        needed="every kubeconfig and kubeadm's configuration contain it: a change has to be made by"
        " hand on every machine",
    ),
    Fact(
        key="etcdTopology",
        what="the etcd topology",
        path=("etcd", "topology"),
        read=lambda spec: spec.etcd.topology.value,
        meaning=EtcdTopology,
        accepted="stacked or external",
        needed="etcd's data does not move: a change needs a new cluster, restored from an etcd"
        " snapshot",
    ),
    Fact(
        key="etcdDataDir",
        what="the data directory of etcd",
        path=("etcd", "dataDir"),
        read=lambda spec: spec.etcd.data_dir,
        meaning=_path,
        accepted="an absolute path",
        needed="etcd's data does not move: set identity.etcdDataDir in the secrets file, then"
        " replace one member's machine at a time with khgen node replace",
    ),
    Fact(
        key="algorithm",
        what="the key algorithm",
        path=("pki", "algorithm"),
        read=lambda spec: spec.pki.algorithm.value,
        meaning=KeyAlgorithm,
        accepted="ECDSA-P256 or ECDSA-P384",
        needed="the CAs and every node's keys use it: a change needs a new cluster",
    ),
    Fact(
        key="clusterName",
        what="the cluster name of kubeadm",
        path=("kubernetes", "clusterName"),
        read=lambda spec: spec.kubernetes.cluster_name,
        meaning=_matching(r"\S+"),
        accepted="a word",
        needed="kubeadm's configuration and the controller managers contain it, and cloud"
        " providers find their resources by it: a change needs a new cluster",
    ),
    Fact(
        key="encryptionAtRest",
        what="encryption at rest",
        path=("kubernetes", "encryptionAtRest"),
        read=lambda spec: str(spec.kubernetes.encryption_at_rest).lower(),
        meaning=_matching("true|false"),
        accepted="true or false",
        needed="API servers with and without it cannot read each other's Secrets: change all of"
        " them by hand, then set identity.encryptionAtRest in the secrets file",
    ),
)
"""Every recorded fact except the cluster's name, its founders and its version."""


def identity_of(spec: ClusterSpec) -> Mapping[str, str]:
    """The spec's value of each fact."""
    return MappingProxyType({fact.key: fact.read(spec) for fact in FACTS})


def recorded_fact(fact: Fact) -> Callable[[str], str]:
    """A reader of a recorded fact; its ValueError has the accepted values."""

    def read(text: str) -> str:
        try:
            fact.meaning(text)
        except ValueError:
            message = f"{fact.accepted} is expected"
            raise ValueError(message) from None
        return text

    return read


def contradictions(spec: ClusterSpec, identity: Mapping[str, str]) -> Iterator[Finding]:
    """An error for each recorded fact that the spec would change."""
    for fact in FACTS:
        recorded, wanted = identity.get(fact.key), fact.read(spec)
        if recorded is not None and fact.meaning(recorded) != fact.meaning(wanted):
            message = f"{fact.what} is {wanted} here, but {recorded} in the secrets file"
            hint = f"{fact.needed}; {BEFORE_BOOT}"
            yield Finding(path=fact.path, message=message, hint=hint, at_key=fact.has_parts)


def may_follow(wanted: KubernetesVersion, last: KubernetesVersion) -> bool:
    """Whether kubeadm can bring a cluster to that version: the same minor or the next.

    kubeadm's policy compares only minors (cmd/kubeadm/app/phases/upgrade/policy.go), so an older
    patch is allowed. kubeadm also allows the previous minor, but etcd's data does not survive that.
    """
    return wanted.major == last.major and 0 <= wanted.minor_number - last.minor_number <= 1


def version_findings(spec: ClusterSpec, last: KubernetesVersion | None) -> Iterator[Finding]:
    """A warning or an error for a version other than the last rendered one."""
    wanted = KubernetesVersion.parse(spec.kubernetes.version)
    if last is None or wanted == last:
        return
    if may_follow(wanted, last):
        yield Finding(
            path=VERSION,
            message=f"Kubernetes {wanted} after {last}: running machines change by their next update,"
            f" machines that join from now on get {wanted} at once",
            hint="khgen upgrade plan SPEC shows what it needs; after the render:"
            " kubectl apply -f update.yaml",
            severity=Severity.WARNING,
        )
        return
    too_far = "below" if wanted < last else "more than one minor above"
    yield Finding(
        path=VERSION,
        message=f"Kubernetes {wanted} is {too_far} {last}, the last rendered version",
        hint=f"{_NEEDED_FOR[wanted < last]}; {BEFORE_BOOT}",
    )
