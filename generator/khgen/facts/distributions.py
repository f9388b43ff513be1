"""What khgen knows about each distribution, as one table: a new release is a new row.

Sources: the distributions' own cloud images and package lists.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath


class OsFamily(StrEnum):
    """Which family of distributions the nodes run."""

    DEBIAN = "debian"
    UBUNTU = "ubuntu"
    RHEL = "rhel"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFormat:
    """How the package manager of a format is asked, and where its repositories are listed."""

    name: str
    """What the steps are named for: install-deb, install-rpm."""
    repository_list: PurePosixPath
    key_file: str
    """Path of the key of the repository {name}."""
    pin: str
    """What stands between a package and its version."""
    kubernetes_key: str
    """The key's name in the repository of a Kubernetes minor."""


DEB = PackageFormat(
    name="deb",
    repository_list=PurePosixPath("/etc/apt/sources.list.d/khgen.list"),
    key_file="/etc/apt/keyrings/{name}.asc",
    pin="=",
    kubernetes_key="Release.key",
)
RPM = PackageFormat(
    name="rpm",
    repository_list=PurePosixPath("/etc/yum.repos.d/khgen.repo"),
    key_file="/etc/pki/rpm-gpg/RPM-GPG-KEY-khgen-{name}",
    pin="-",
    kubernetes_key="repodata/repomd.xml.key",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What all releases of a family have in common."""

    name: OsFamily
    title: str
    package_format: PackageFormat
    base_packages: tuple[str, ...]
    """What the boot steps themselves need."""
    preflight_packages: tuple[str, ...]
    """Programs that kubeadm's preflight looks for (checks_linux.go) and a cloud image may lack."""
    chrony_unit: str
    chrony_conf: PurePosixPath
    timesyncd_package: str | None
    """None where systemd-timesyncd is not packaged."""
    kubelet_overrides: str
    """The environment file of kubeadm's drop-in for the kubelet (kubernetes/release)."""
    resolv_conf: str
    """What the kubelet hands to pods. Behind systemd-resolved /etc/resolv.conf names a stub, which
    makes CoreDNS ask itself; RHEL has none. kubeadm finds out by itself only while it starts one
    kubelet, and does not upload it."""
    docker_name: str
    """The family's folder in Docker's package repository."""
    selinux: bool
    """Whether the family confines programs with SELinux; the others use AppArmor."""
    ec2_login: str
    openstack_login: str
    """The user whom the distribution's own cloud image lets in."""
    archive_components: str = ""
    """The parts of the distribution's own archive, as a line of sources.list names them."""
    security_suffix: str = ""
    """Where the security archive is, beside the main one, on mirrors too."""


DEBIAN = Family(
    name=OsFamily.DEBIAN,
    title="Debian",
    package_format=DEB,
    base_packages=("ca-certificates", "curl"),
    preflight_packages=("conntrack", "ethtool", "iptables", "socat"),
    chrony_unit="chrony",
    chrony_conf=PurePosixPath("/etc/chrony/chrony.conf"),
    timesyncd_package="systemd-timesyncd",
    kubelet_overrides="/etc/default/kubelet",
    resolv_conf="/run/systemd/resolve/resolv.conf",
    docker_name="debian",
    selinux=False,
    ec2_login="admin",
    openstack_login="debian",
    archive_components="main",
    security_suffix="-security",
)
UBUNTU = Family(
    name=OsFamily.UBUNTU,
    title="Ubuntu",
    package_format=DEB,
    base_packages=("ca-certificates", "curl"),
    preflight_packages=("conntrack", "ethtool", "iptables", "socat"),
    chrony_unit="chrony",
    chrony_conf=PurePosixPath("/etc/chrony/chrony.conf"),
    timesyncd_package="systemd-timesyncd",
    kubelet_overrides="/etc/default/kubelet",
    resolv_conf="/run/systemd/resolve/resolv.conf",
    docker_name="ubuntu",
    selinux=False,
    ec2_login="ubuntu",
    openstack_login="ubuntu",
    archive_components="main restricted universe multiverse",
)
RHEL = Family(
    name=OsFamily.RHEL,
    title="RHEL",
    package_format=RPM,
    base_packages=(),  # curl-minimal is always there, and conflicts with curl
    preflight_packages=("conntrack-tools", "ethtool", "iptables-nft", "iproute-tc", "socat"),
    chrony_unit="chronyd",
    chrony_conf=PurePosixPath("/etc/chrony.conf"),
    timesyncd_package=None,
    kubelet_overrides="/etc/sysconfig/kubelet",
    resolv_conf="/etc/resolv.conf",
    docker_name="centos",
    selinux=True,
    ec2_login="rocky",
    openstack_login="rocky",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A release of a family."""

    family: Family
    release: str
    codename: str = ""
    """The release's name in repositories; RPM repositories use the number."""


DISTRIBUTIONS: tuple[Distribution, ...] = (
    Distribution(family=DEBIAN, release="12", codename="bookworm"),
    Distribution(family=DEBIAN, release="13", codename="trixie"),
    Distribution(family=UBUNTU, release="22.04", codename="jammy"),
    Distribution(family=UBUNTU, release="24.04", codename="noble"),
    Distribution(family=RHEL, release="9"),
)


def family_of(name: OsFamily) -> Family:
    """The family of that name."""
    return next(row.family for row in DISTRIBUTIONS if row.family.name is name)


def releases_of(name: OsFamily) -> tuple[str, ...]:
    """The releases of that family that khgen knows, oldest first."""
    return tuple(row.release for row in DISTRIBUTIONS if row.family.name is name)


def known_releases() -> str:
    """All of them in words, family by family."""
    titles = dict.fromkeys((row.family.name, row.family.title) for row in DISTRIBUTIONS)
    return ", ".join(f"{title} {' or '.join(releases_of(name))}" for name, title in titles)


def distribution(name: OsFamily, release: str) -> Distribution:
    """The row of that release; a LookupError where there is none."""
    for row in DISTRIBUTIONS:
        if (row.family.name, row.release) == (name, release):
            return row
    message = f"no facts about {name} {release}: the checks let it pass"
    raise LookupError(message)
