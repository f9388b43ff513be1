"""One machine of the cluster, and its network."""

from enum import StrEnum

from pydantic import Field

from khgen.spec.model.texts import (
    FlagName,
    HostName,
    InterfaceName,
    KubeletFlagValue,
    LabelKey,
    LabelValue,
    MacAddress,
    NodeName,
    SubjectName,
)
from khgen.spec.model.values import Address, Passthrough, SpecModel, WholeNumber


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
