"""The cluster itself: the root of cluster.yaml."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from khgen.spec.model.machine import ContainerdSpec, ImageSpec, InstallSpec, OsSpec
from khgen.spec.model.node import NodeSpec
from khgen.spec.model.texts import (
    DnsDomain,
    EndpointHost,
    FilePath,
    FlagName,
    FlagValue,
    ImageRepository,
    ImageTag,
    InterfaceName,
    KubernetesVersionText,
    SafePath,
    Sha256,
    ShortName,
    SubjectName,
    Url,
    Word,
)
from khgen.spec.model.updates import UpdatesSpec
from khgen.spec.model.values import (
    Address,
    Duration,
    Passthrough,
    Port,
    SpecModel,
    SubnetList,
    WholeNumber,
    part,
)


class Metadata(SpecModel):
    """The cluster's name."""

    name: ShortName = Field(description="Name of the cluster; the secrets file is bound to it")


class Component(SpecModel):
    """Further flags of one control-plane component."""

    extra_args: dict[FlagName, FlagValue] = Field(
        {}, description="Flags without the leading dashes"
    )


class ApiServer(Component):
    """Further settings of the API server."""

    cert_sans: tuple[SubjectName, ...] = Field(
        (), alias="certSANs", description="Further names and addresses for its certificate"
    )


class ProxyMode(StrEnum):
    """kube-proxy's mode."""

    IPTABLES = "iptables"
    IPVS = "ipvs"
    NFTABLES = "nftables"


class KubeProxy(SpecModel):
    """kube-proxy; `config` is merged over khgen's KubeProxyConfiguration."""

    mode: ProxyMode = Field(ProxyMode.IPTABLES, description="iptables, ipvs or nftables")
    config: Passthrough = Field({}, description="Further fields of KubeProxyConfiguration")


class Kubelet(SpecModel):
    """The kubelet; `config` is merged over khgen's KubeletConfiguration."""

    config: Passthrough = Field({}, description="Further fields of KubeletConfiguration")


class KubernetesSpec(SpecModel):
    """Kubernetes: its version, images and component settings."""

    version: KubernetesVersionText = Field(
        "1.29.6", description="Version of the control plane, like 1.29.6"
    )
    image_repository: ImageRepository = Field(
        "registry.k8s.io", description="Registry of kubeadm's images"
    )
    cluster_name: Word = Field("kubernetes", description="Cluster name in kubeconfigs")
    feature_gates: dict[str, bool] = Field({}, description="kubeadm's feature gates")
    api_server: ApiServer = part(ApiServer, "API server settings")
    controller_manager: Component = part(Component, "Controller manager settings")
    scheduler: Component = part(Component, "Scheduler settings")
    kubelet: Kubelet = part(Kubelet, "Kubelet settings")
    kube_proxy: KubeProxy = part(KubeProxy, "kube-proxy settings")
    encryption_at_rest: bool = Field(
        False, description="Encrypt Secrets in etcd (secretbox) with the key of the secrets file"
    )


class Networking(SpecModel):
    """The cluster's networks."""

    pod_subnet: SubnetList = Field(
        "10.244.0.0/16", validate_default=True, description="Network of pods"
    )
    service_subnet: SubnetList = Field(
        "10.96.0.0/12", validate_default=True, description="Network of services"
    )
    dns_domain: DnsDomain = Field("cluster.local", description="DNS domain of services")


class ControlPlaneEndpoint(SpecModel):
    """The address of the API: a virtual IP that khgen sets up, or an external load balancer."""

    vip: Address | None = Field(
        None, description="Virtual IP; khgen sets up haproxy and keepalived"
    )
    host: EndpointHost | None = Field(
        None, description="Name or address of an external load balancer"
    )
    port: Port = Field(6443, description="Port of the endpoint")
    interface: InterfaceName = Field(
        "auto", description="Interface that carries the VIP; auto: the one with the node's address"
    )
    virtual_router_id: WholeNumber = Field(
        51, ge=1, le=255, description="VRRP router id, one per network"
    )
    vrrp: Literal["unicast", "multicast"] = Field(
        "unicast", description="How VRRP peers reach each other"
    )


class EtcdTopology(StrEnum):
    """Where etcd runs: on the control planes, or on dedicated hosts."""

    STACKED = "stacked"
    EXTERNAL = "external"


class EtcdSpec(SpecModel):
    """etcd."""

    topology: EtcdTopology = Field(EtcdTopology.STACKED, description="stacked or external")
    data_dir: SafePath = Field(
        "/var/lib/etcd", description="Where etcd keeps its data; may be a disk's mount point"
    )
    extra_args: dict[FlagName, FlagValue] = Field({}, description="Further flags of etcd")
    image_tag: ImageTag | None = Field(
        None, description="Tag of the etcd image; default: kubeadm's"
    )


class CaKeys(StrEnum):
    """Where the private keys of the certificate authorities are kept."""

    CONTROL_PLANE = "control-plane"
    OFFLINE = "offline"


class KeyAlgorithm(StrEnum):
    """The keys that khgen makes; imported CAs may be RSA."""

    ECDSA_P256 = "ECDSA-P256"
    ECDSA_P384 = "ECDSA-P384"


class PkiSpec(SpecModel):
    """Certificates and keys."""

    algorithm: KeyAlgorithm = Field(KeyAlgorithm.ECDSA_P256, description="Algorithm of the keys")
    ca_keys: CaKeys = Field(
        CaKeys.CONTROL_PLANE,
        description="control-plane, or offline: CA keys stay on the operator's machine",
    )
    ca_validity: Duration = Field("10y", validate_default=True, description="Lifetime of a new CA")
    certificate_validity: Duration = Field(
        "365d", validate_default=True, description="Leaf lifetime"
    )
    node_identity_validity: Duration | None = Field(
        None, description="Lifetime of system:node certificates; default: certificateValidity"
    )
    backdate: Duration = Field(
        "24h",
        validate_default=True,
        description="How far before the issue date certificates are valid",
    )
    boot_window: Duration = Field(
        "30d", validate_default=True, description="How long after a render a machine may first boot"
    )


class BootstrapToken(SpecModel):
    """A shared bootstrap token, beside each node's own identity."""

    ttl: Duration = Field(
        "24h",
        validate_default=True,
        description="Lifetime, counted from the creation of the cluster",
    )


class Calico(SpecModel):
    """Calico from its published manifest: a pinned URL with digest, or a file beside the spec."""

    url: Url | None = Field(None, description="URL of the manifest")
    sha256: Sha256 | None = Field(None, description="Digest of the manifest at that URL")
    path: FilePath | None = Field(None, description="Manifest file, relative to cluster.yaml")
    typha: bool = Field(False, description="The manifest is the one with Typha (calico-typha.yaml)")
    typha_replicas: WholeNumber = Field(
        1, ge=1, le=20, description="Replicas of Typha, if it is used"
    )


class Manifest(SpecModel):
    """A manifest that the founders apply once."""

    name: ShortName = Field(description="Name, unique in the list")
    url: Url | None = Field(None, description="URL of the manifest")
    sha256: Sha256 | None = Field(None, description="Digest of the manifest at that URL")
    path: FilePath | None = Field(None, description="File, relative to cluster.yaml")


class Addons(SpecModel):
    """Manifests that are applied to the new cluster."""

    calico: Calico | None = Field(None, description="Calico as the network")
    manifests: tuple[Manifest, ...] = Field((), description="Further manifests, in this order")


class Datasource(StrEnum):
    """How the user-data reaches the machine; decides the size limit and whether it is gzipped."""

    NOCLOUD = "nocloud"
    EC2 = "ec2"
    HETZNER = "hetzner"
    OPENSTACK = "openstack"
    AZURE = "azure"
    GCE = "gce"
    VMWARE = "vmware"
    CLOUDSTACK = "cloudstack"
    PROXMOX = "proxmox"


class UserDataSpec(SpecModel):
    """cloud-init user-data."""

    datasource: Datasource = Field(Datasource.NOCLOUD, description="cloud-init datasource")
    gzip: bool | None = Field(None, description="Compress; default: if the datasource accepts it")
    max_bytes: WholeNumber | None = Field(
        None, ge=1024, description="Size limit; default: the datasource's"
    )
    extra: Passthrough = Field(
        {}, description="Further top-level cloud-config keys, like users or disk_setup"
    )


class ClusterSpec(SpecModel):
    """cluster.yaml: one cluster."""

    api_version: Literal["khgen/v1alpha1"] = Field(description="khgen/v1alpha1")
    kind: Literal["Cluster"] = Field(description="Cluster")
    metadata: Metadata = Field(description="Name of the cluster")
    kubernetes: KubernetesSpec = part(KubernetesSpec, "Kubernetes")
    networking: Networking = part(Networking, "Networks of pods and services")
    control_plane_endpoint: ControlPlaneEndpoint = Field(description="Address of the API")
    etcd: EtcdSpec = part(EtcdSpec, "etcd")
    pki: PkiSpec = part(PkiSpec, "Certificates and keys")
    bootstrap_token: BootstrapToken | None = Field(
        None, description="A shared token for later manual joins; default: none"
    )
    os: OsSpec = Field(description="Operating system of the nodes")
    containerd: ContainerdSpec = part(ContainerdSpec, "Container runtime")
    install: InstallSpec = part(InstallSpec, "How programs get onto the nodes")
    image: ImageSpec | None = Field(
        None, description="The golden image that khgen bakes and nodes boot; default: none"
    )
    addons: Addons = part(Addons, "Manifests that are applied to the new cluster")
    updates: UpdatesSpec = part(UpdatesSpec, "Updates of machines that run")
    user_data: UserDataSpec = part(UserDataSpec, "cloud-init user-data")
    nodes: tuple[NodeSpec, ...] = Field(min_length=1, description="The machines")
