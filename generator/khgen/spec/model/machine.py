"""The machines: each node, and what runs below Kubernetes on all of them."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from khgen.facts.distributions import OsFamily, known_releases
from khgen.spec.model.texts import (
    AuthorizedKey,
    ContainerdVersionText,
    DiskSize,
    FilePath,
    FlagName,
    HostName,
    ImageChecksum,
    ImageName,
    InterfaceName,
    KeyBlock,
    KubeletFlagValue,
    KubernetesVersionText,
    LabelKey,
    LabelValue,
    MacAddress,
    NodeName,
    OsRelease,
    RegistryName,
    SafePath,
    Sha256,
    SubjectName,
    SysctlName,
    SysctlValue,
    TimeZone,
    Url,
)
from khgen.spec.model.values import Address, Passthrough, SpecModel, WholeNumber, part


class NodeRole(StrEnum):
    """The role of a machine."""

    CONTROL_PLANE = "control-plane"
    WORKER = "worker"
    ETCD = "etcd"
    LOAD_BALANCER = "load-balancer"


class TaintEffect(StrEnum):
    """What a taint does to a pod that does not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Taint(SpecModel):
    """A taint that the node registers with."""

    key: LabelKey = Field(description="Key, like example.com/gpu")
    value: LabelValue = Field("", description="Value")
    effect: TaintEffect = Field(description="NoSchedule, PreferNoSchedule or NoExecute")


class NodeNetwork(SpecModel):
    """Static addressing of the machine, written as network-config version 2."""

    prefix_length: WholeNumber = Field(
        ge=1, le=128, description="Prefix length of the node's address"
    )
    gateway: Address | None = Field(None, description="Default route of the first address")
    nameservers: tuple[Address, ...] = Field((), description="DNS servers")
    search: tuple[HostName, ...] = Field((), description="DNS search domains")
    interface: InterfaceName | None = Field(None, description="Name of the network interface")
    mac_address: MacAddress | None = Field(
        None, description="Match the network interface by its MAC address"
    )
    raw: Passthrough | None = Field(
        None, description="A whole network-config (version 2) instead of the fields above"
    )


class NodeSpec(SpecModel):
    """One machine: its name, role and address."""

    name: NodeName = Field(description="Host name and Kubernetes node name (RFC 1123)")
    role: NodeRole = Field(description="control-plane, worker, etcd or load-balancer")
    address: Address = Field(description="Address at which other nodes reach it")
    additional_addresses: tuple[Address, ...] = Field(
        (), description="Its address of the other family, for dual-stack"
    )
    interface: InterfaceName | None = Field(
        None, description="Interface that carries the VIP; default: controlPlaneEndpoint.interface"
    )
    network: NodeNetwork | None = Field(
        None, description="Static addressing; default: the machine's own configuration"
    )
    labels: dict[LabelKey, LabelValue] = Field(
        {}, description="Labels that the kubelet registers with"
    )
    taints: tuple[Taint, ...] | None = Field(
        None, description="Taints; default: kubeadm's own (control planes are tainted)"
    )
    kubelet_extra_args: dict[FlagName, KubeletFlagValue] = Field(
        {}, description="Further kubelet flags"
    )
    certificate_sans: tuple[SubjectName, ...] = Field(
        (), alias="certSANs", description="Further names and addresses for this node's certificates"
    )


class TimeProgram(StrEnum):
    """The program that sets a node's clock; `unmanaged` leaves it to the image."""

    CHRONY = "chrony"
    TIMESYNCD = "timesyncd"
    UNMANAGED = "unmanaged"


class SysctlProfile(StrEnum):
    """A named set of kernel settings."""

    KUBERNETES = "kubernetes"
    TUNED = "tuned"


class SelinuxMode(StrEnum):
    """What khgen does about SELinux."""

    UNMANAGED = "unmanaged"
    PERMISSIVE = "permissive"


class FirewallMode(StrEnum):
    """What khgen does about firewalld and ufw."""

    UNMANAGED = "unmanaged"
    DISABLED = "disabled"


class SwapMode(StrEnum):
    """What khgen does about swap: by default the kubelet does not start with swap."""

    OFF = "off"
    UNMANAGED = "unmanaged"


class HostAlias(SpecModel):
    """A line of /etc/hosts."""

    address: Address = Field(description="The address")
    names: tuple[HostName, ...] = Field(min_length=1, description="Its names")


class TimeSync(SpecModel):
    """Time sources of the nodes."""

    program: TimeProgram = Field(TimeProgram.CHRONY, description="chrony, timesyncd or unmanaged")
    pools: tuple[HostName, ...] = Field(
        (), description="NTP pools; default: the distribution's own"
    )
    servers: tuple[HostName, ...] = Field((), description="Single NTP servers")


class Sysctl(SpecModel):
    """Kernel settings."""

    profile: SysctlProfile = Field(SysctlProfile.KUBERNETES, description="kubernetes or tuned")
    extra: dict[SysctlName, SysctlValue] = Field(
        {}, description="Further settings; they win over the profile"
    )


class OsSpec(SpecModel):
    """The operating system of the nodes."""

    family: OsFamily = Field(description="debian, ubuntu or rhel (Rocky, Alma, RHEL)")
    release: OsRelease = Field(description=known_releases())
    timezone: TimeZone | None = Field(None, description="Time zone, like Asia/Shanghai")
    time_sync: TimeSync = part(TimeSync, "Clock synchronisation")
    sysctl: Sysctl = part(Sysctl, "Kernel settings")
    swap: SwapMode = Field(SwapMode.OFF, description="off: swap is switched off, after reboots too")
    selinux: SelinuxMode = Field(
        SelinuxMode.UNMANAGED, description="permissive: set to permissive, after reboots too"
    )
    firewall: FirewallMode = Field(
        FirewallMode.UNMANAGED, description="disabled: firewalld and ufw are switched off"
    )
    block_metadata: bool = Field(
        False, description="Close the cloud's metadata service (169.254.169.254) to pods"
    )
    hosts: tuple[HostAlias, ...] = Field((), description="Further lines for /etc/hosts")
    package_mirror: Url | None = Field(
        None, description="Mirror of the distribution's packages; default: the distribution's"
    )
    ssh_authorized_keys: tuple[AuthorizedKey, ...] = Field(
        (), description="Public keys for the image's default user"
    )


class RegistryMirror(SpecModel):
    """Mirrors of one registry (containerd's certs.d/<registry>/hosts.toml)."""

    registry: RegistryName = Field(
        description="The registry whose images are mirrored, like docker.io"
    )
    endpoints: tuple[Url, ...] = Field(min_length=1, description="Mirrors, tried in this order")
    ca_file: SafePath | None = Field(None, description="CA certificate on the node")
    skip_verify: bool = Field(False, description="Do not verify the mirror's certificate")


class ContainerdSpec(SpecModel):
    """The container runtime."""

    version: ContainerdVersionText = Field(
        "1.7", description="1.6, 1.7 or 2.x; decides the keys of config.toml"
    )
    sandbox_image: ImageName | None = Field(
        None, description="Pause image; default: the one of that kubeadm version"
    )
    registry_mirrors: tuple[RegistryMirror, ...] = Field((), description="Registry mirrors")
    restrict_oom_score_adj: bool = Field(
        False, description="For nodes without CAP_SYS_RESOURCE (nested containers)"
    )
    nerdctl: bool = Field(
        False, description="Configure nerdctl, and install it from install.artifacts.nerdctl"
    )
    buildkit: bool = Field(
        False, description="Run buildkitd, and install it from install.artifacts.buildkit"
    )


class KubernetesSource(StrEnum):
    """Where kubeadm, kubelet and kubectl come from."""

    PACKAGES = "packages"
    BINARIES = "binaries"
    IMAGE = "image"


class ContainerdSource(StrEnum):
    """Where containerd comes from."""

    DOCKER = "docker"
    DISTRIBUTION = "distribution"
    TARBALL = "tarball"
    IMAGE = "image"


class Artifact(SpecModel):
    """A file to download, with its digest."""

    url: Url = Field(description="URL of the file")
    sha256: Sha256 = Field(description="Digest of the file")


class Artifacts(SpecModel):
    """Downloads of programs that are installed from tarballs or binaries."""

    containerd: Artifact | None = Field(None, description="containerd tarball")
    runc: Artifact | None = Field(None, description="runc binary")
    cni_plugins: Artifact | None = Field(None, description="CNI plugins tarball")
    nerdctl: Artifact | None = Field(None, description="nerdctl tarball")
    buildkit: Artifact | None = Field(None, description="BuildKit tarball")
    crictl: Artifact | None = Field(None, description="crictl tarball")
    kubeadm: Artifact | None = Field(None, description="kubeadm binary")
    kubelet: Artifact | None = Field(None, description="kubelet binary")
    kubectl: Artifact | None = Field(None, description="kubectl binary")


class PackageVersions(SpecModel):
    """Versions that differ from kubernetes.version (within kubeadm's skew policy)."""

    kubeadm: KubernetesVersionText | None = Field(None, description="Version of kubeadm")
    kubelet: KubernetesVersionText | None = Field(None, description="Version of the kubelet")
    kubectl: KubernetesVersionText | None = Field(None, description="Version of kubectl")


class RepositoryKey(SpecModel):
    """The signing key of a repository: its digest, or the key itself."""

    sha256: Sha256 | None = Field(None, description="Digest of the key file at the repository")
    path: FilePath | None = Field(
        None,
        description="Key file beside cluster.yaml, ASCII-armored; it becomes part of the user-data",
    )
    text: KeyBlock | None = Field(None, description="The key itself, ASCII-armored")


class InstallSpec(SpecModel):
    """How programs get onto the nodes."""

    kubernetes: KubernetesSource = Field(
        KubernetesSource.PACKAGES, description="packages, binaries or image (already baked in)"
    )
    containerd: ContainerdSource = Field(
        ContainerdSource.DOCKER, description="docker, distribution, tarball or image"
    )
    kubernetes_repository: Url = Field(
        "https://pkgs.k8s.io/core:/stable:", description="Base URL; /v<minor>/deb or /rpm follows"
    )
    kubernetes_repository_key: RepositoryKey | None = Field(
        None, description="Its signing key; default: the key that it offers at the first boot"
    )
    docker_repository: Url = Field(
        "https://download.docker.com/linux", description="Base URL of Docker's package repository"
    )
    docker_repository_key: RepositoryKey | None = Field(
        None, description="Its signing key; default: the key that it offers at the first boot"
    )
    package_versions: PackageVersions = part(
        PackageVersions, "Versions of kubeadm, kubelet and kubectl, if they differ"
    )
    artifacts: Artifacts = part(Artifacts, "URLs and digests of downloads")
    architecture: Literal["amd64", "arm64"] = Field("amd64", description="CPU of the nodes")


class ImageBase(SpecModel):
    """The distribution's cloud image."""

    url: FilePath = Field(description="A URL, or a file beside this one")
    checksum: ImageChecksum = Field(description="sha256:… or sha512:…, from the distribution")


class ImageSpec(SpecModel):
    """A golden image that khgen bakes; `install` then applies to the bake."""

    base: ImageBase | None = Field(
        None, description="Image to start from; optional only on clouds that provide one"
    )
    disk_size: DiskSize = Field("8G", description="Size of the image's disk")
    preload: bool = Field(True, description="Pull kubeadm's container images of this version")
    preload_images: tuple[ImageName, ...] = Field((), description="Further images to pull")
    preload_archives: tuple[FilePath, ...] = Field(
        (), description="Image archives beside this file to import; this needs no network"
    )
