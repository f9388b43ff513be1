"""Update bundle: what a node that runs is given, as four files.

bundle.json says for whom it is, how new it is, and the digests of two archives; bundle.sig is the
Ed25519 signature (RFC 8032) of its bytes. kind.tar.xz has the files that all nodes of its kind share,
node.tar.xz those that only this node has. A node checks the signature with /etc/khgen/update.pub.
"""

import hashlib
import json
import lzma
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from khgen.plan.cluster_plan import NodeFile, NodePlan, Plan

STATEMENT, SIGNATURE = "bundle.json", "bundle.sig"
KIND_ARCHIVE, NODE_ARCHIVE = "kind.tar.xz", "node.tar.xz"
BUNDLE_FILES = (STATEMENT, SIGNATURE, KIND_ARCHIVE, NODE_ARCHIVE)
FORMAT = "khgen/update"
FORMAT_VERSION = 1
KIND_PRESET, NODE_PRESET = 6, 3
"""Thousands of nodes are compressed one by one; a higher preset saves 3% and takes four times as long."""
_LARGEST_DICTIONARY = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldUpdate:
    """The update that an earlier render gave a node: its generation and the digest of bundle.json."""

    generation: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateBundle:
    """One node's update."""

    generation: int
    """Unix time of the render that last changed it."""
    files: Mapping[str, bytes]
    """The four files by name."""

    @property
    def sha256(self) -> str:
        """The digest of bundle.json, which has the digests of the archives."""
        return _sha256(self.files[STATEMENT])

    @property
    def held(self) -> HeldUpdate:
        """What the next render has to know of it."""
        return HeldUpdate(generation=self.generation, sha256=self.sha256)

    @property
    def bytes(self) -> int:
        """The size of the four files together, which is that of a Secret's data."""
        return sum(map(len, self.files.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSigner:
    """Makes the updates of one cluster at one moment."""

    plan: Plan
    key: Ed25519PrivateKey
    held: Mapping[str, HeldUpdate]
    """What the output has, by node."""
    now: int
    """Unix time in seconds."""

    def bundle(self, node: NodePlan, machine: str, kind: bytes, own: bytes) -> UpdateBundle:
        """The update of a node from the two archives; `machine` is MACHINE of its node.env."""
        values: dict[str, object] = {
            "kind": FORMAT,
            "version": FORMAT_VERSION,
            "cluster": self.plan.spec.metadata.name,
            "node": node.name,
            "role": node.role.value,
            "machine": machine,
            "kubernetes": str(self.plan.version),
            "archives": {KIND_ARCHIVE: _sha256(kind), NODE_ARCHIVE: _sha256(own)},
        }
        number = generation_of(values, self.held.get(node.name), self.now)
        text = statement(values, number)
        contents = (text, self.key.sign(text), kind, own)
        return UpdateBundle(generation=number, files=dict(zip(BUNDLE_FILES, contents, strict=True)))


def generation_of(values: Mapping[str, object], held: HeldUpdate | None, now: int) -> int:
    """The held generation if a bundle.json with these values is the same, else a newer one.

    It grows even where the clock was set back: a node refuses what is older than what it has.
    """
    if held is None:
        return now
    if _sha256(statement(values, held.generation)) == held.sha256:
        return held.generation
    return max(now, held.generation + 1)


def statement(values: Mapping[str, object], generation: int) -> bytes:
    """The bytes of bundle.json."""
    text = json.dumps({**values, "generation": generation}, indent=2, sort_keys=True)
    return f"{text}\n".encode()


def archive_digests(text: bytes) -> Mapping[str, str]:
    """The SHA-256 of each archive, as a bundle.json of khgen's lists them."""
    digests: dict[str, str] = json.loads(text).get("archives", {})
    return digests


def archive_of(files: Iterable[NodeFile], preset: int) -> bytes:
    """These files as a compressed tar, the same bytes for the same files."""
    parts = []
    for file in sorted(files, key=lambda file: str(file.path)):
        content = file.content.encode()
        entry = tarfile.TarInfo(str(file.path).removeprefix("/"))
        entry.size, entry.mode = len(content), file.mode
        padding = bytes(-len(content) % tarfile.BLOCKSIZE)
        # Like tarfile.open, which takes three times as long.
        parts += [entry.tobuf(tarfile.USTAR_FORMAT), content, padding]
    plain = b"".join((*parts, bytes(2 * tarfile.BLOCKSIZE)))
    # As large as the archive: a preset's own dictionary takes longer to set up than to use.
    size = min(1 << len(plain).bit_length(), _LARGEST_DICTIONARY)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": preset, "dict_size": size}]
    return lzma.compress(plain, lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=filters)


def files_of_archive(archive: bytes) -> tuple[NodeFile, ...]:
    """The files in an archive of khgen's; ValueError where it is none."""
    try:
        with tarfile.open(fileobj=BytesIO(lzma.decompress(archive))) as entries:
            return tuple(_file(entries, entry) for entry in entries)
    except (lzma.LZMAError, tarfile.TarError) as error:
        raise ValueError(str(error)) from error


def _file(entries: tarfile.TarFile, entry: tarfile.TarInfo) -> NodeFile:
    stream = entries.extractfile(entry)
    if stream is None:
        message = f"{entry.name} is not a file"
        raise ValueError(message)
    path = PurePosixPath("/", entry.name)
    return NodeFile(path=path, content=stream.read().decode(), mode=entry.mode)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
