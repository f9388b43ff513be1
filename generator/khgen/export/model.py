"""What was rendered, as it was read back, and the files that are made of it."""

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from khgen.bundle.datasource import Encoding, gzipped_user_data

USER_DATA = "user-data"
META_DATA = "meta-data"
NETWORK_CONFIG = "network-config"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportNode:
    """One machine: who it is, and what it is given."""

    name: str
    role: str
    kind: str
    addresses: tuple[str, ...]
    instance_id: str
    encoding: Encoding
    user_data: bytes
    """As the spec's datasource takes it."""
    meta_data: bytes
    network_config: bytes | None

    @property
    def plain_user_data(self) -> bytes:
        """The #cloud-config itself."""
        if self.encoding is Encoding.PLAIN:
            return self.user_data
        return zlib.decompress(self.gzipped_user_data, wbits=31)

    @property
    def gzipped_user_data(self) -> bytes:
        """The user-data gzipped: as it was rendered, or else the same bytes for the same text."""
        match self.encoding:
            case Encoding.PLAIN:
                return gzipped_user_data(self.user_data)
            case Encoding.GZIP:
                return self.user_data
            case Encoding.GZIP_BASE64:
                return base64.b64decode(self.user_data)

    @property
    def seed_files(self) -> Mapping[str, bytes]:
        """The files of its NoCloud seed by name. cloud-init unzips user-data, but knows no base64."""
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
    """One file to be written; `node` is whose it is, or empty if it is the whole cluster's."""

    path: str
    content: bytes
    node: str = ""
    mode: int = 0o600
