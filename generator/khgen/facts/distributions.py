"""What khgen knows about each distribution, as one table: a new release is a new row.

Sources: the distributions' own cloud images and package lists.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePosixPath


class OsFamily(StrEnum):
    """Which family of distributions the nodes run."""

    DEBIAN = "debian"
    UBUNTU = "ubuntu"
    RHEL = "rhel"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFormat:
    """A package format: the names and paths that its package manager uses."""

    name: str
    """Part of the names of steps: install-deb, install-rpm."""
    repository_list: PurePosixPath
    key_file: str
    """Path of the key of the repository {name}."""
    pin: str
    """The separator between a package and its version."""
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
    """Packages that the boot steps need."""
    preflight_packages: tuple[str, ...]
    """Programs that kubeadm's preflight checks for (checks_linux.go); a cloud image may lack them."""
    chrony_unit: str
    chrony_conf: PurePosixPath
    timesyncd_package: str | None
    """None where systemd-timesyncd is not packaged."""
    kubelet_overrides: str
    """The environment file of kubeadm's drop-in for the kubelet (kubernetes/release)."""
    resolv_conf: str
    """The file from which pods get their DNS servers. Where systemd-resolved runs, /etc/resolv.conf
    names its stub, and CoreDNS would ask itself; RHEL does not run it. kubeadm detects this only for
    the kubelet that it starts, and does not upload it."""
    docker_name: str
    """The family's folder in Docker's package repository."""
    selinux: bool
    """Whether the family confines programs with SELinux; the others use AppArmor."""
    ec2_login: str
    openstack_login: str
    """The user that can log in to the distribution's cloud image."""
    archive_components: str = ""
    """The components of the distribution's archive, as in sources.list."""
    security_suffix: str = ""
    """Added to the archive's path for the security archive, on mirrors too."""


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
UBUNTU = replace(
    DEBIAN,
    name=OsFamily.UBUNTU,
    title="Ubuntu",
    docker_name="ubuntu",
    ec2_login="ubuntu",
    openstack_login="ubuntu",
    archive_components="main restricted universe multiverse",
    security_suffix="",
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
    """All releases as text, family by family."""
    titles = dict.fromkeys((row.family.name, row.family.title) for row in DISTRIBUTIONS)
    return ", ".join(f"{title} {' or '.join(releases_of(name))}" for name, title in titles)


def distribution(name: OsFamily, release: str) -> Distribution:
    """The row of that release; LookupError if there is none."""
    for row in DISTRIBUTIONS:
        if (row.family.name, row.release) == (name, release):
            return row
    message = f"no facts about {name} {release}: the checks must refuse it"
    raise LookupError(message)
