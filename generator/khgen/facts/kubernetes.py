"""What khgen knows about each Kubernetes minor, as one table: no version is compared elsewhere.

Sources: cmd/kubeadm of each minor's tree (app/constants/constants.go, app/phases/etcd/local.go,
app/features/features.go) and its CHANGELOG, read up to 1.36.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from khgen.facts.version import KubernetesVersion, Version


class EtcdProbes(StrEnum):
    """The endpoint of the probes in kubeadm's etcd manifest (phases/etcd/local.go, GetEtcdPodSpec)."""

    HEALTH = "/health"
    READYZ = "/readyz"
    READYZ_NAMED_PORT = "/readyz at a named port"


EtcdFlags = tuple[tuple[str, str], ...]
ETCD_36 = Version((3, 6))
ETCD_35_FLAGS: EtcdFlags = (
    ("experimental-initial-corrupt-check", "true"),
    ("experimental-watch-progress-notify-interval", "5s"),
)
ETCD_36_FLAGS: EtcdFlags = (
    ("feature-gates", "InitialCorruptCheck=true"),
    ("watch-progress-notify-interval", "5s"),
)
WITH_P384 = frozenset({"ECDSA-P256", "ECDSA-P384"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MinorFacts:
    """How kubeadm of one minor differs from that of another."""

    minor: str
    kubeadm_api: str
    """API version of kubeadm's configuration: v1beta3, or v1beta4 from 1.31."""
    pause_tag: str
    """constants.go PauseVersion."""
    etcd_tags: tuple[tuple[int, str], ...]
    """(first patch, constants.go DefaultEtcdVersion), newest first."""
    coredns_tags: tuple[tuple[int, str], ...]
    """(first patch, constants.go CoreDNSVersion), newest first."""
    newest_patch: int
    """The newest patch whose sources were read."""
    etcd_probes: EtcdProbes
    """The probes of the etcd manifest."""
    kubelet_client_group_until: int | None
    """First patch whose apiserver-kubelet-client has no O (kubernetes#138957); None: always has."""
    kubelet_local_mode: bool
    """Whether kubelet.conf of a control plane points at its own API server by default."""
    encryption_algorithms: frozenset[str] = frozenset({"ECDSA-P256"})
    """The ECDSA values that encryptionAlgorithm takes (v1beta4 types.go)."""
    nftables_mode: bool = True
    """Whether kube-proxy's nftables mode is enabled by default (beta in 1.31)."""
    ipvs_deprecated: bool = False
    """Whether kube-proxy's ipvs mode is deprecated."""

    @property
    def calls_ecdsa_feature_gate(self) -> bool:
        """Whether the gate PublicKeysECDSA selects ECDSA, not the field encryptionAlgorithm."""
        return self.kubeadm_api == "v1beta3"

    @property
    def lists_arguments(self) -> bool:
        """Whether extraArgs are a list of name and value rather than a mapping."""
        return self.kubeadm_api != "v1beta3"

    def etcd_tag(self, patch: int) -> str:
        """The etcd image tag that kubeadm of that patch deploys."""
        return next(tag for first, tag in self.etcd_tags if patch >= first)

    def coredns_tag(self, patch: int) -> str:
        """The CoreDNS image tag that kubeadm of that patch deploys."""
        return next(tag for first, tag in self.coredns_tags if patch >= first)

    def apiserver_kubelet_client_organization(self, patch: int) -> str | None:
        """O of the API server's client certificate for kubelets."""
        until = self.kubelet_client_group_until
        return "kubeadm:cluster-admins" if until is None or patch < until else None


MINORS: Mapping[str, MinorFacts] = MappingProxyType(
    {
        facts.minor: facts
        for facts in (
            MinorFacts(
                minor="1.29",
                kubeadm_api="v1beta3",
                pause_tag="3.9",
                etcd_tags=((9, "3.5.15-0"), (3, "3.5.12-0"), (0, "3.5.10-0")),
                coredns_tags=((0, "v1.11.1"),),
                newest_patch=14,
                etcd_probes=EtcdProbes.HEALTH,
                kubelet_client_group_until=None,
                kubelet_local_mode=False,
                nftables_mode=False,
            ),
            MinorFacts(
                minor="1.30",
                kubeadm_api="v1beta3",
                pause_tag="3.9",
                etcd_tags=((5, "3.5.15-0"), (0, "3.5.12-0")),
                # Not read: 1.29.6 and 1.31.0 both have this tag; a late patch may have a newer one.
                coredns_tags=((0, "v1.11.1"),),
                newest_patch=14,
                etcd_probes=EtcdProbes.HEALTH,
                kubelet_client_group_until=None,
                kubelet_local_mode=False,
                nftables_mode=False,
            ),
            MinorFacts(
                minor="1.31",
                kubeadm_api="v1beta4",
                pause_tag="3.10",
                etcd_tags=((14, "3.5.24-0"), (0, "3.5.15-0")),
                coredns_tags=((1, "v1.11.3"), (0, "v1.11.1")),
                newest_patch=14,
                etcd_probes=EtcdProbes.READYZ,
                kubelet_client_group_until=None,
                kubelet_local_mode=False,
            ),
            MinorFacts(
                minor="1.32",
                kubeadm_api="v1beta4",
                pause_tag="3.10",
                etcd_tags=((10, "3.5.24-0"), (0, "3.5.16-0")),
                coredns_tags=((0, "v1.11.3"),),
                newest_patch=13,
                etcd_probes=EtcdProbes.READYZ,
                kubelet_client_group_until=None,
                kubelet_local_mode=False,
            ),
            MinorFacts(
                minor="1.33",
                kubeadm_api="v1beta4",
                pause_tag="3.10",
                etcd_tags=((6, "3.5.24-0"), (0, "3.5.21-0")),
                coredns_tags=((0, "v1.12.0"),),
                newest_patch=13,
                etcd_probes=EtcdProbes.READYZ,
                kubelet_client_group_until=12,
                kubelet_local_mode=True,
            ),
            MinorFacts(
                minor="1.34",
                kubeadm_api="v1beta4",
                pause_tag="3.10.1",
                etcd_tags=((2, "3.6.5-0"), (0, "3.6.4-0")),
                coredns_tags=((0, "v1.12.1"),),
                newest_patch=9,
                etcd_probes=EtcdProbes.READYZ_NAMED_PORT,
                kubelet_client_group_until=8,
                kubelet_local_mode=True,
                encryption_algorithms=WITH_P384,
            ),
            MinorFacts(
                minor="1.35",
                kubeadm_api="v1beta4",
                pause_tag="3.10.1",
                etcd_tags=((0, "3.6.6-0"),),
                coredns_tags=((0, "v1.13.1"),),
                newest_patch=6,
                etcd_probes=EtcdProbes.READYZ_NAMED_PORT,
                kubelet_client_group_until=5,
                kubelet_local_mode=True,
                encryption_algorithms=WITH_P384,
                ipvs_deprecated=True,
            ),
            MinorFacts(
                minor="1.36",
                kubeadm_api="v1beta4",
                pause_tag="3.10.2",
                etcd_tags=((0, "3.6.8-0"),),
                coredns_tags=((0, "v1.14.2"),),
                newest_patch=3,
                etcd_probes=EtcdProbes.READYZ_NAMED_PORT,
                kubelet_client_group_until=1,
                kubelet_local_mode=True,
                encryption_algorithms=WITH_P384,
                ipvs_deprecated=True,
            ),
        )
    }
)


SUPPORTED_MINORS = tuple(MINORS)
"""In order, oldest first."""


def facts_for(version: KubernetesVersion) -> MinorFacts | None:
    """The facts of that version's minor; None if khgen does not support it."""
    return MINORS.get(version.minor)


def etcd_flags_for(tag: str) -> EtcdFlags:
    """The flags of the corruption check and progress notification in etcd of that image tag."""
    version = Version.leading(tag)
    newer = version is not None and version >= ETCD_36
    return ETCD_36_FLAGS if newer else ETCD_35_FLAGS
