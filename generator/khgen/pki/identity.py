"""What a living cluster cannot change, as the secrets file records it, and who contradicts it.

One table has every recorded fact. A fact that a secrets file does not have yet is taken from the
spec at the next render, so older files, and further facts, need nothing else.
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

BEFORE_BOOT = "before any machine has booted: khgen secrets refound"
VERSION: ValuePath = ("kubernetes", "version")
_NEEDED_FOR: Mapping[bool, str] = MappingProxyType(
    {
        True: "a control plane does not go back to an older minor",
        False: "kubeadm upgrades by one minor at a time: render each, and upgrade the machines to it",
    }
)
"""For a version that is below the last, and for one too far above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that a living cluster cannot change."""

    key: str
    """Its name in the secrets file, under `identity`."""
    what: str
    path: ValuePath
    """Where the spec has it."""
    read: Callable[[ClusterSpec], str]
    meaning: Callable[[str], object]
    """What two values are compared by; a ValueError for what is no value of it."""
    accepted: str
    needed: str
    """What a living cluster would need instead."""
    has_parts: bool = False
    """Whether the spec has it in several values, so that only their common key is its place."""


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
        needed="nodes and pods have addresses of it: another needs a new cluster, or a CNI and"
        " nodes that are moved by hand",
    ),
    Fact(
        key="serviceSubnet",
        what="the service network",
        path=("networking", "serviceSubnet"),
        read=lambda spec: spec.networking.service_subnet.text,
        meaning=_networks,
        accepted="a network like 10.96.0.0/12",
        needed="Services, cluster DNS and API server certificates have addresses of it: another"
        " needs a new cluster",
    ),
    Fact(
        key="dnsDomain",
        what="the DNS domain",
        path=("networking", "dnsDomain"),
        read=lambda spec: spec.networking.dns_domain,
        meaning=_matching(SUBDOMAIN_1123),
        accepted="a DNS domain",
        needed="kubelets, CoreDNS and service account tokens have it: another needs a new cluster",
    ),
    Fact(
        key="endpoint",
        what="the control-plane endpoint",
        path=("controlPlaneEndpoint",),
        read=lambda spec: endpoint_of(spec).authority,
        meaning=_authority,
        accepted="host:port",
        has_parts=True,
        needed="every kubeconfig and kubeadm's configuration name it: another needs them changed by"
        " hand on every machine",
    ),
    Fact(
        key="etcdTopology",
        what="the etcd topology",
        path=("etcd", "topology"),
        read=lambda spec: spec.etcd.topology.value,
        meaning=EtcdTopology,
        accepted="stacked or external",
        needed="etcd's data does not move: another needs a new cluster, into which a snapshot of"
        " etcd is restored",
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
        needed="the CAs and every node's keys have it: another needs a new cluster",
    ),
    Fact(
        key="clusterName",
        what="the cluster name of kubeadm",
        path=("kubernetes", "clusterName"),
        read=lambda spec: spec.kubernetes.cluster_name,
        meaning=_matching(r"\S+"),
        accepted="a word",
        needed="kubeadm's configuration and the controller managers have it, and cloud providers"
        " find their resources by it: another needs a new cluster",
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
"""Everything that is recorded but the cluster's name, its founders and its version."""


def identity_of(spec: ClusterSpec) -> Mapping[str, str]:
    """What the spec says of each fact."""
    return MappingProxyType({fact.key: fact.read(spec) for fact in FACTS})


def recorded_fact(fact: Fact) -> Callable[[str], str]:
    """What reads a fact of a secrets file; its ValueError says what is accepted."""

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
            message = f"{fact.what} is {wanted} here, and {recorded} in the secrets file"
            hint = f"{fact.needed}; {BEFORE_BOOT}"
            yield Finding(path=fact.path, message=message, hint=hint, at_key=fact.has_parts)


def may_follow(wanted: KubernetesVersion, last: KubernetesVersion) -> bool:
    """Whether kubeadm takes a cluster there: its own minor, or one up.

    kubeadm's policy compares minors alone (cmd/kubeadm/app/phases/upgrade/policy.go), so a patch
    may be taken back. It would go one minor down, too, which etcd's data does not survive.
    """
    return wanted.major == last.major and 0 <= wanted.minor_number - last.minor_number <= 1


def version_findings(spec: ClusterSpec, last: KubernetesVersion | None) -> Iterator[Finding]:
    """What is to be said of another Kubernetes than the one that was rendered last."""
    wanted = KubernetesVersion.parse(spec.kubernetes.version)
    if last is None or wanted == last:
        return
    if may_follow(wanted, last):
        yield Finding(
            path=VERSION,
            message=f"Kubernetes {wanted} after {last}: machines that are up keep {last},"
            f" machines that join from now on have {wanted}",
            hint=f"upgrade by hand: kubeadm upgrade plan, then kubeadm upgrade apply {wanted.tag} on"
            " one control plane, kubeadm upgrade node and a new kubelet on each other node",
            severity=Severity.WARNING,
        )
        return
    too_far = "below" if wanted < last else "more than one minor above"
    yield Finding(
        path=VERSION,
        message=f"Kubernetes {wanted} is {too_far} {last}, which was rendered last",
        hint=f"{_NEEDED_FOR[wanted < last]}; {BEFORE_BOOT}",
    )
