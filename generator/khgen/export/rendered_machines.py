"""Rendered machines as they were read from the output, the files made from them, and their network
interface as a hypervisor configures it."""

import base64
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address

import yaml

from khgen.bundle.datasource import Encoding, gzipped_user_data

USER_DATA = "user-data"
META_DATA = "meta-data"
NETWORK_CONFIG = "network-config"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportNode:
    """One machine: its identity and its seed."""

    name: str
    role: str
    kind: str
    addresses: tuple[str, ...]
    instance_id: str
    encoding: Encoding
    user_data: bytes
    """In the encoding of the spec's datasource."""
    meta_data: bytes
    network_config: bytes | None
    update: Mapping[str, bytes] = field(default_factory=dict)
    """The four files of its update by name; none where an older khgen rendered it."""

    @property
    def plain_user_data(self) -> bytes:
        """The #cloud-config itself."""
        if self.encoding is Encoding.PLAIN:
            return self.user_data
        return zlib.decompress(self.gzipped_user_data, wbits=31)

    @property
    def gzipped_user_data(self) -> bytes:
        """The gzipped user-data, as rendered or else gzipped here with the same result each time."""
        match self.encoding:
            case Encoding.PLAIN:
                return gzipped_user_data(self.user_data)
            case Encoding.GZIP:
                return self.user_data
            case Encoding.GZIP_BASE64:
                return base64.b64decode(self.user_data)

    @property
    def seed_files(self) -> Mapping[str, bytes]:
        """The files of its NoCloud seed by name. cloud-init unzips user-data but decodes no base64."""
        binary = self.encoding is Encoding.GZIP_BASE64
        files = {
            USER_DATA: self.gzipped_user_data if binary else self.user_data,
            META_DATA: self.meta_data,
        }
        if self.network_config is not None:
            files[NETWORK_CONFIG] = self.network_config
        return files


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportCluster:
    """A rendered cluster, or some of its nodes."""

    name: str
    kubernetes: str
    issued_at: datetime
    nodes: tuple[ExportNode, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFile:
    """One file to write; `node` names its node and is empty for a file of the whole cluster."""

    path: str
    content: bytes
    node: str = ""
    mode: int = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A node whose user-data the platform would refuse."""

    node: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The files for one platform; if there is a refusal, no file may be written."""

    files: tuple[ExportFile, ...]
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedFile:
    """A file as a node has it."""

    content: bytes
    mode: int


def mac_address(cluster: ExportCluster, node: ExportNode) -> str:
    """The machine's MAC address: the one in its network-config, or else one made from the names.

    It depends only on the names, so a DHCP reservation is also right for a replacement.
    """
    wanted = _matched(node.network_config)
    if wanted:
        return wanted
    digest = hashlib.sha256(f"{cluster.name}\n{node.name}".encode()).digest()
    # 02: locally administered (IEEE 802), so no vendor has it.
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))


def given_address(node: ExportNode) -> str | None:
    """The address that the platform must assign, because nothing on the machine sets it."""
    return node.addresses[0] if node.network_config is None else None


def is_ipv6(address: str) -> bool:
    """Whether it is an IPv6 address."""
    return ip_address(address).version == 6


def _matched(network_config: bytes | None) -> str:
    """The first MAC address that a network-config version 2 matches an interface by."""
    if network_config is None:
        return ""
    config = yaml.safe_load(network_config)
    ethernets = config.get("ethernets") if isinstance(config, dict) else None
    for ethernet in ethernets.values() if isinstance(ethernets, dict) else ():
        match = ethernet.get("match") if isinstance(ethernet, dict) else None
        address = match.get("macaddress") if isinstance(match, dict) else None
        if address is not None:
            return str(address)
    return ""
