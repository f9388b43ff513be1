"""One machine of the cluster, and its network."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from khgen.spec.model.values import (
    InterfaceName,
    IPAddress,
    NodeName,
    Passthrough,
    SpecModel,
    Word,
)


class NodeRole(StrEnum):
    """What a machine is for."""

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

    key: Word
    value: str = ""
    effect: TaintEffect


class NodeNetwork(SpecModel):
    """The machine's own addressing: network-config version 2 is written from it."""

    prefix_length: int = Field(ge=1, le=128, description="Prefix length of the node's address")
    gateway: IPAddress | None = Field(None, description="Default route of the first address")
    nameservers: tuple[IPAddress, ...] = Field((), description="DNS servers")
    search: tuple[str, ...] = Field((), description="DNS search domains")
    interface: InterfaceName | None = Field(None, description="Name of the network interface")
    mac_address: (
        Annotated[str, StringConstraints(pattern=r"^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$")] | None
    ) = Field(None, description="Match the network interface by its MAC address")
    raw: Passthrough | None = Field(
        None, description="A whole network-config (version 2) instead of the fields above"
    )


class NodeSpec(SpecModel):
    """One machine: its name, role and address."""

    name: NodeName = Field(description="Host name and Kubernetes node name (RFC 1123)")
    role: NodeRole = Field(description="control-plane, worker, etcd or load-balancer")
    address: IPAddress = Field(description="The address the other nodes reach it at")
    additional_addresses: tuple[IPAddress, ...] = Field(
        (), description="Its address of the other family, for dual-stack"
    )
    interface: InterfaceName | None = Field(
        None, description="Interface that carries the VIP; default: controlPlaneEndpoint.interface"
    )
    network: NodeNetwork | None = Field(
        None, description="Static addressing; default: whatever the machine gets by itself"
    )
    labels: dict[str, str] = Field({}, description="Labels that the kubelet registers with")
    taints: tuple[Taint, ...] | None = Field(
        None, description="Taints; default: kubeadm's own (control planes are tainted)"
    )
    kubelet_extra_args: dict[str, str] = Field({}, description="Further kubelet flags")
    certificate_sans: tuple[str, ...] = Field(
        (), alias="certSANs", description="Further names and addresses for this node's certificates"
    )
