"""How each cloud-init datasource takes user-data: its limit, and how it may be encoded."""

import base64
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from khgen.spec.model.cluster import Datasource, UserDataSpec


class Encoding(StrEnum):
    """The form in which user-data is handed over."""

    PLAIN = "plain"
    GZIP = "gzip"
    GZIP_BASE64 = "gzip+base64"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasourceFacts:
    """What one datasource takes; `limit` is in bytes, None where there is no practical one."""

    limit: int | None
    compressed: Encoding
    by_default: Encoding
    counts_base64: bool = False


_KiB = 1024

DATASOURCES: Mapping[Datasource, DatasourceFacts] = MappingProxyType(
    {
        # A seed ISO or directory has no practical limit, and plain text can be read at night.
        Datasource.NOCLOUD: DatasourceFacts(
            limit=None, compressed=Encoding.GZIP, by_default=Encoding.PLAIN
        ),
        Datasource.PROXMOX: DatasourceFacts(
            limit=None, compressed=Encoding.GZIP, by_default=Encoding.PLAIN
        ),
        # EC2 counts the bytes before its own base64, and hands binary data on.
        Datasource.EC2: DatasourceFacts(
            limit=16 * _KiB, compressed=Encoding.GZIP, by_default=Encoding.GZIP
        ),
        # cloud-init's DataSourceHetzner decodes base64 by itself; the API takes text only.
        Datasource.HETZNER: DatasourceFacts(
            limit=32 * _KiB, compressed=Encoding.GZIP_BASE64, by_default=Encoding.GZIP_BASE64
        ),
        # Nova limits the base64 form that every client sends.
        Datasource.OPENSTACK: DatasourceFacts(
            limit=65535, compressed=Encoding.GZIP, by_default=Encoding.GZIP, counts_base64=True
        ),
        Datasource.AZURE: DatasourceFacts(
            limit=65535, compressed=Encoding.GZIP, by_default=Encoding.GZIP
        ),
        # Metadata values are text; set user-data-encoding=base64 beside it.
        Datasource.GCE: DatasourceFacts(
            limit=256 * _KiB, compressed=Encoding.GZIP_BASE64, by_default=Encoding.GZIP_BASE64
        ),
        # guestinfo.userdata.encoding=gzip+base64; GUESTMSG_MAX_IN_SIZE.
        Datasource.VMWARE: DatasourceFacts(
            limit=64 * _KiB, compressed=Encoding.GZIP_BASE64, by_default=Encoding.GZIP_BASE64
        ),
        Datasource.CLOUDSTACK: DatasourceFacts(
            limit=32 * _KiB, compressed=Encoding.GZIP, by_default=Encoding.GZIP, counts_base64=True
        ),
    }
)


def encoding_of(user_data: UserDataSpec) -> Encoding:
    """The encoding for this spec: the datasource's default, or what userData.gzip asks for."""
    facts = DATASOURCES[user_data.datasource]
    if user_data.gzip is None:
        return facts.by_default
    return facts.compressed if user_data.gzip else Encoding.PLAIN


def limit_of(user_data: UserDataSpec) -> int | None:
    """The limit in bytes: userData.maxBytes, or that of the datasource."""
    return user_data.max_bytes or DATASOURCES[user_data.datasource].limit


def delivered_bytes(encoding: Encoding, text: bytes, gzipped: bytes) -> bytes:
    """The user-data in that encoding."""
    if encoding is Encoding.PLAIN:
        return text
    return gzipped if encoding is Encoding.GZIP else base64.b64encode(gzipped)


def counted_bytes(user_data: UserDataSpec, delivered: bytes) -> int:
    """How many bytes of the limit the delivered user-data uses up."""
    if DATASOURCES[user_data.datasource].counts_base64:
        return len(base64.b64encode(delivered))
    return len(delivered)


BASE64_MARK = "  encoding: b64\n"
"""What only the entry of a bundle has."""
PEM_MARK, KUBECONFIG_MARK = "-----BEGIN ", "-authority-data: "
"""How a PEM file begins, and what no other file than a kubeconfig has."""
_FILE = re.compile(rb"^(?=- path: )", re.MULTILINE)


class Compressor:
    """Gzips texts that begin alike; what they share is compressed once."""

    def __init__(self, prefix: bytes) -> None:
        """A compressor of texts that begin with `prefix`."""
        # 31: a gzip header without name or time, so that the same text gives the same bytes.
        self._compressor = zlib.compressobj(9, zlib.DEFLATED, 31, 9)
        self._begun = self._compressor.compress(prefix)

    def gzip(self, sections: Sequence[bytes]) -> bytes:
        """The prefix and the sections, gzipped.

        The first goes on like the prefix. Each other begins a deflate block, whose codes fit it
        alone (RFC 1951, 3.2.3): letters are not distributed in base64 as they are in scripts.
        """
        compressor = self._compressor.copy()
        parts = [self._begun]
        for number, section in enumerate(sections):
            if number:
                parts.append(compressor.flush(zlib.Z_BLOCK))
            parts.append(compressor.compress(section))
        return b"".join((*parts, compressor.flush()))


def gzipped_user_data(text: bytes) -> bytes:
    """User-data gzipped in separate blocks for text, for a bundle, for PEM and for kubeconfigs."""
    marks = (BASE64_MARK.encode(), KUBECONFIG_MARK.encode(), f"    {PEM_MARK}".encode())
    sections: list[bytes] = []
    kind = -1
    for entry in _FILE.split(text):
        own = next((n for n, mark in enumerate(marks) if mark in entry), len(marks))
        if own == kind:
            sections[-1] += entry
        else:
            sections.append(entry)
        kind = own
    return Compressor(b"").gzip(sections)
