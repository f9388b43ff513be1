"""Bundle: a node's files as one archive, which khgen-place unpacks on the node.

A bundle is an xz file, so `xz -d` shows a person what it holds. Unpacked, it is VERSION, then for each
file \\0, a line "mode path", and the content; then \\0\\0 and the DER values. Base64 hides from a
compressor what certificates have in common, so a PEM text travels as \\1, its label and a line's end.
Its bytes are the next DER value, after two bytes for their length; a public key on P-256 in it is
compressed (SEC 1, 2.3.3): x, and whether y is odd. What a kubeconfig has in base64
once more stands between \\2 and \\3. Files are placed in the order of the bundle.
"""

import lzma
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from pathlib import PurePosixPath
from textwrap import wrap

from khgen.plan.cluster_plan import NodeFile

VERSION = b"khgen-bundle 1"
_PEM_TEXT = (
    rb"-----BEGIN (?P<label>[A-Z ]+)-----\n(?P<body>[A-Za-z0-9+/=\n]+)-----END (?P=label)-----\n"
)
_PEM = re.compile(_PEM_TEXT)
_PEM_OR_ENCODED = re.compile(
    _PEM_TEXT + rb"|(?<=-data: )(?P<encoded>[A-Za-z0-9+/=]+)$", re.MULTILINE
)
_MARKS = re.compile(rb"[\0-\3]")
_MOST_DER_BYTES = 0xFFFF
_BIT_STRING = b"\3\x42\0"
"""How the DER of a public key on P-256 begins; then come 4, x and y."""
_KEY = re.compile(_BIT_STRING + b"\4(.{32})(.{32})", re.DOTALL)
_PACKED_KEY = re.compile(_BIT_STRING + b"([\2\3])(.{32})", re.DOTALL)
_P256_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_FILTERS = [
    # Text has no alignment (pb). The dictionary is larger than any example's files.
    {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 18, "pb": 0},
]


class BundleError(ValueError):
    """These bytes are not a whole bundle of this version."""


def bundle_of(files: Iterable[NodeFile]) -> bytes:
    """The bundle that holds these files; ValueError for a content or path with bytes 0 to 3."""
    return lzma.compress(
        unpacked_bundle(files),
        format=lzma.FORMAT_XZ,
        check=lzma.CHECK_CRC32,
        filters=_FILTERS,
    )


def unpacked_bundle(files: Iterable[NodeFile]) -> bytes:
    """What xz compresses: it does not depend on the version of liblzma, as the bundle's bytes may."""
    entries, values = [VERSION], _DerValues()
    for file in files:
        header = f"{file.mode:o} {file.path}".encode()
        content = file.content.encode()
        if _MARKS.search(header + content) or b"\n" in header:
            message = f"{file.path} has a byte that a bundle uses as a mark"
            raise ValueError(message)
        entries.append(header + b"\n" + _PEM_OR_ENCODED.sub(values.packed, content))
    return b"\0".join(entries) + b"\0\0" + b"".join(values.found)


def files_of_bundle(bundle: bytes) -> tuple[NodeFile, ...]:
    """The files that a bundle holds; BundleError where it is incomplete or of another version."""
    try:
        text, _, values = lzma.decompress(bundle).partition(b"\0\0")
    except lzma.LZMAError as error:
        raise BundleError(str(error)) from error
    version, *entries = text.split(b"\0")
    if version != VERSION:
        raise BundleError(version.decode(errors="replace"))
    remaining = _DerReader(values)
    return tuple(_file(entry, remaining) for entry in entries)


class _DerValues:
    """Takes the PEM texts out of contents."""

    def __init__(self) -> None:
        self.found: list[bytes] = []

    def packed(self, found: re.Match[bytes]) -> bytes:
        if found["encoded"] is None:
            return self._packed_pem(found)
        text = _base64_value(found[0])
        pem = _PEM.fullmatch(text)
        if pem is None or b64encode(text) != found[0]:
            return found[0]
        return b"\2" + self._packed_pem(pem) + b"\3"

    def _packed_pem(self, pem: re.Match[bytes]) -> bytes:
        der = _base64_value(pem["body"])
        packed = _KEY.sub(_packed_key, der)
        if len(der) > _MOST_DER_BYTES or _pem(pem["label"], packed) != pem[0]:
            return pem[0]  # Lines of another length, or no key on P-256: khgen did not write it.
        self.found.append(len(packed).to_bytes(2, "big") + packed)
        return b"\1" + pem["label"] + b"\n"


def _base64_value(text: bytes) -> bytes:
    """The bytes that are in base64 there; none where it is no base64."""
    try:
        return b64decode(text)
    except ValueError:
        return b""


def _packed_key(found: re.Match[bytes]) -> bytes:
    x, y = found[1], found[2]
    return _BIT_STRING + bytes([2 + y[-1] % 2]) + x


def _whole_key(found: re.Match[bytes]) -> bytes:
    x = int.from_bytes(found[2], "big")
    y = pow(x**3 - 3 * x + _P256_B, (_P256_P + 1) // 4, _P256_P)
    if y % 2 != found[1][0] % 2:
        y = _P256_P - y
    return _BIT_STRING + b"\4" + found[2] + y.to_bytes(32, "big")


class _DerReader:
    """Puts the PEM texts back, in the order in which they were taken out."""

    def __init__(self, values: bytes) -> None:
        self._remaining = values

    def pem(self, found: re.Match[bytes]) -> bytes:
        end = 2 + int.from_bytes(self._remaining[:2], "big")
        packed, self._remaining = self._remaining[2:end], self._remaining[end:]
        return _pem(found[1], packed)


def _pem(label: bytes, packed: bytes) -> bytes:
    der = _PACKED_KEY.sub(_whole_key, packed)
    lines = "\n".join(wrap(b64encode(der).decode(), 64)).encode()
    return b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (label, lines, label)


def _file(entry: bytes, values: _DerReader) -> NodeFile:
    header, _, content = entry.partition(b"\n")
    mode, _, path = header.decode().partition(" ")
    content = re.sub(b"\1(.+)\n", values.pem, content)
    content = re.sub(b"(?s)\2(.*?)\3", lambda found: b64encode(found[1]), content)
    return NodeFile(path=PurePosixPath(path), content=content.decode(), mode=int(mode, 8))
