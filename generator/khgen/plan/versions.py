"""What khgen knows about each Kubernetes minor, as one table: no version is compared elsewhere."""

import re
from dataclasses import dataclass
from functools import total_ordering


@total_ordering
@dataclass(frozen=True, slots=True)
class KubernetesVersion:
    """A released version, like 1.29.6."""

    major: int
    minor_number: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> "KubernetesVersion":
        """The version that a text like 1.29.6 or v1.29.6 names; ValueError otherwise."""
        match = re.fullmatch(r"v?([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})", text)
        if match is None:
            message = f"'{text}' is not a Kubernetes version like 1.29.6"
            raise ValueError(message)
        return cls(*(int(group) for group in match.groups()))

    @property
    def minor(self) -> str:
        """Major and minor, like 1.29."""
        return f"{self.major}.{self.minor_number}"

    @property
    def tag(self) -> str:
        """The version as image tags and kubeadm write it, like v1.29.6."""
        return f"v{self}"

    def __str__(self) -> str:
        """Like 1.29.6."""
        return f"{self.major}.{self.minor_number}.{self.patch}"

    def __lt__(self, other: "KubernetesVersion") -> bool:
        """Whether it is older."""
        return self._key < other._key

    @property
    def _key(self) -> tuple[int, int, int]:
        return (self.major, self.minor_number, self.patch)


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
    etcd_corrupt_check_args: tuple[tuple[str, str], ...]
    """The two etcd flags whose names changed with etcd 3.6 (phases/etcd local.go)."""
    kubelet_client_group_until: int | None
    """First patch whose apiserver-kubelet-client has no O (kubernetes#138957); None: always has."""
    kubelet_local_mode: bool
    """Whether kubelet.conf of a control plane points at its own API server by default."""
    calls_ecdsa_feature_gate: bool
    """Whether ECDSA is asked for by the gate PublicKeysECDSA rather than encryptionAlgorithm."""

    def etcd_tag(self, patch: int) -> str:
        """The etcd image tag that kubeadm of that patch deploys."""
        return next(tag for first, tag in self.etcd_tags if patch >= first)

    def apiserver_kubelet_client_organization(self, patch: int) -> str | None:
        """O of the API server's client certificate for kubelets."""
        until = self.kubelet_client_group_until
        return "kubeadm:cluster-admins" if until is None or patch < until else None
