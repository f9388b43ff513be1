"""One node's user-data: a #cloud-config that places files and starts khgen-boot.

It lists the files, or it has them as a bundle beside khgen-place, which unpacks it: see BUNDLE_KINDS.
In a list, what all nodes of a kind share comes first, so that it is dumped and compressed once; but
certificates and kubeconfigs stand together at the end, where they compress best.
"""

import base64
import binascii
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

import yaml

from khgen.bundle.archive import bundle_of, files_of_bundle, unpacked_bundle
from khgen.bundle.datasource import (
    KUBECONFIG_MARK,
    PEM_MARK,
    Compressor,
    Encoding,
    counted_bytes,
    delivered_bytes,
    encoding_of,
    gzipped_user_data,
    limit_of,
)
from khgen.files.boot import PLACER, STEPS, UNIT
from khgen.files.golden_image import IMAGE_STEPS, in_image, steps_in_image
from khgen.plan.cluster_plan import NodeFile, NodePlan, Plan
from khgen.yaml_reader import LOADER
from khgen.yaml_text import YamlValue, dump_yaml

STATUS = "/run/khgen/status.json"
BUNDLE = "/run/khgen/bundle"
"""In memory, so its keys never reach the disk. After a reboot, cloud-init writes it again."""
START = (
    f"systemctl enable khgen-boot && {{ [ {STATUS} -nt {UNIT} ] || systemctl restart khgen-boot; }}"
)
AGAIN = "sleep 9; cloud-init single -n write_files --frequency always"
"""runcmd does this and nothing else: the boot itself is khgen-boot's, which retries and reports.

khgen-boot's unit is the last of the files, and cloud-init leaves out those after one that it
cannot write. So where the disk was full, all of them are placed again, until there is room; and
where the user-data was cut off, cloud-init never reports that it is done. Nor does it where the
image does not have every step that this node copies out of it.

`enable` makes systemd read its units anew (systemctl(1)). A khgen-boot that began before its files
were placed begins again; one that has reported since then is left alone.
"""
STOP = "systemctl stop khgen-boot 2>/dev/null"
"""runcmd is late in a boot, when the khgen-boot of an earlier user-data may run already: it must not
read old files beside new ones. khgen-place's own unit is earlier, but the disk may not have it yet."""
NO_BUNDLE = "the user-data is incomplete, or the disk is full"
NO_IMAGE = "no image of khgen, or of another version, or no room"


class Section(StrEnum):
    """What a file's bytes are like: each is compressed by itself."""

    TEXT = "text"
    PEM = "pem"
    KUBECONFIG = "kubeconfig"
    """base64 of PEM, which is base64."""
    LAST = "last"
    """The unit that starts the boot, once all others are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserData:
    """User-data as the datasource takes it, with its sizes in bytes."""

    text: bytes
    unpacked: bytes
    """The text, with a bundle's files as they are before compression: it is the same for every
    version of liblzma."""
    delivered: bytes
    gzipped_bytes: int
    encoding: Encoding
    counted_bytes: int
    limit: int | None


class UserDataBuilder:
    """Builds the user-data of nodes of one kind, from the files that they share."""

    def __init__(self, plan: Plan, shared: Iterable[NodeFile]) -> None:
        """A builder for nodes that all have the `shared` files; with khgen-place among them, they
        get a bundle."""
        self._spec = plan.spec.user_data
        shared = tuple(shared)
        baked = in_image(plan, shared)
        travelling = tuple(file for file in shared if file not in baked)
        steps = steps_in_image(file for file in shared if file in baked)
        if any(file.path == PLACER for file in shared):
            self._form: _Bundled | _Listed = _Bundled(plan, travelling, steps)
        else:
            self._form = _Listed(plan, travelling, steps)

    def build(self, node: NodePlan, own: Iterable[NodeFile]) -> UserData:
        """The user-data of one node: the shared files and its own."""
        text, unpacked, gzipped = self._form.texts(node, tuple(own))
        encoding = encoding_of(self._spec)
        delivered = delivered_bytes(encoding, text, gzipped)
        return UserData(
            text=text,
            unpacked=unpacked,
            delivered=delivered,
            gzipped_bytes=len(gzipped),
            encoding=encoding,
            counted_bytes=counted_bytes(self._spec, delivered),
            limit=limit_of(self._spec),
        )


class _Listed:
    """User-data that lists its files: what cloud-init places by itself."""

    def __init__(self, plan: Plan, shared: tuple[NodeFile, ...], baked: tuple[str, ...]) -> None:
        by_section = _by_section(shared)
        self._shared = {section: _entries(files) for section, files in by_section.items()}
        start = (
            f"until {_copied(baked)}{START}; do {_report(NO_IMAGE) if baked else ''}{AGAIN}; done"
        )
        head = _head(plan, (*_extra_runcmd(plan), start))
        self._prefix = (head + self._shared[Section.TEXT]).encode()
        self._compressor = Compressor(self._prefix)

    def texts(self, node: NodePlan, own: tuple[NodeFile, ...]) -> tuple[bytes, bytes, bytes]:
        files = _by_section(own)
        parts = [_entries(files[Section.TEXT])]
        parts += [self._shared[s] + _entries(files[s]) for s in (Section.PEM, Section.KUBECONFIG)]
        tail = self._shared[Section.LAST] + _hostname(node)
        *first, last = (part for part in parts if part)
        sections = [part.encode() for part in (*first, last + tail)]
        text = b"".join((self._prefix, *sections))
        return text, text, self._compressor.gzip(sections)


class _Bundled:
    """User-data with its files in a bundle, and with khgen-place unless the image has it."""

    def __init__(self, plan: Plan, shared: tuple[NodeFile, ...], baked: tuple[str, ...]) -> None:
        self._shared = tuple(file for file in shared if file.path not in {PLACER, UNIT})
        self._last = tuple(file for file in shared if file.path == UNIT)
        placed = f"khgen-place <{BUNDLE} && {_copied(baked)}systemctl enable khgen-place khgen-boot"
        report = _report(NO_IMAGE if baked else NO_BUNDLE)
        place = f"{STOP}; until {placed}; do {report}{AGAIN}; done; rm {BUNDLE}"
        start = "systemctl restart khgen-boot"
        placer = [file for file in shared if file.path == PLACER]
        self._head = _head(plan, (place, *_extra_runcmd(plan), start)) + _entries(placer)

    def texts(self, node: NodePlan, own: tuple[NodeFile, ...]) -> tuple[bytes, bytes, bytes]:
        files = (*self._shared, *own, *self._last)
        content = base64.b64encode(bundle_of(files)).decode()
        # The content comes last: where the text is cut off, what is left of it stays private.
        entry = {"path": BUNDLE, "permissions": "0600", "encoding": "b64", "content": content}
        text = f"{self._head}{dump_yaml([entry])}{_hostname(node)}".encode()
        unpacked = f"{self._head}{_hostname(node)}".encode() + unpacked_bundle(files)
        return text, unpacked, gzipped_user_data(text)


def files_of_user_data(user_data: bytes) -> tuple[NodeFile, ...]:
    """Every file that user-data places, plain, gzipped or in base64 as it may be; ValueError where
    it is no user-data that khgen rendered."""
    document = yaml.load(_decoded(user_data), Loader=LOADER)  # noqa: S506 - a safe loader
    files: list[NodeFile] = []
    for entry in document["write_files"]:
        if entry["path"] == BUNDLE:
            files += files_of_bundle(base64.b64decode(entry["content"]))
        else:
            mode = int(entry.get("permissions", "0644"), 8)
            path = PurePosixPath(entry["path"])
            files.append(NodeFile(path=path, content=entry["content"], mode=mode))
    return tuple(files)


def _decoded(user_data: bytes) -> bytes:
    """As cloud-init decodes it: base64 first, then gzip, if it is either."""
    try:
        if not user_data.startswith((b"#", b"\x1f\x8b")):
            user_data = base64.b64decode(user_data, validate=True)
        return zlib.decompress(user_data, wbits=31) if user_data[:1] == b"\x1f" else user_data
    except (binascii.Error, zlib.error) as error:
        raise ValueError(str(error)) from error


def _by_section(files: Iterable[NodeFile]) -> dict[Section, list[NodeFile]]:
    sections: dict[Section, list[NodeFile]] = {section: [] for section in Section}
    for file in files:
        sections[_section(file)].append(file)
    return sections


def _section(file: NodeFile) -> Section:
    if file.path == UNIT:
        return Section.LAST
    if file.content.startswith(PEM_MARK):
        return Section.PEM
    if KUBECONFIG_MARK in file.content:
        return Section.KUBECONFIG
    return Section.TEXT


def _head(plan: Plan, runcmd: tuple[YamlValue, ...]) -> str:
    keys: dict[str, YamlValue] = {"manage_etc_hosts": False}
    if plan.spec.os.ssh_authorized_keys:
        keys["ssh_authorized_keys"] = plan.spec.os.ssh_authorized_keys
    if plan.spec.os.timezone is not None:
        keys["timezone"] = plan.spec.os.timezone
    keys.update(plan.spec.user_data.extra)
    keys["runcmd"] = runcmd
    return f"#cloud-config\n{dump_yaml(keys)}write_files:\n"


def _copied(baked_steps: tuple[str, ...]) -> str:
    """The command that copies these steps out of the image, where there are some."""
    if not baked_steps:
        return ""
    return f"(cd {IMAGE_STEPS} && cp -t {STEPS} {' '.join(baked_steps)}) && "


def _report(message: str) -> str:
    return f"echo '{message}' >/dev/console; "


def _extra_runcmd(plan: Plan) -> tuple[YamlValue, ...]:
    extra = plan.spec.user_data.extra.get("runcmd", [])
    return tuple(extra) if isinstance(extra, list) else (extra,)


def _hostname(node: NodePlan) -> str:
    """The node's name comes last: everything before it may be the same for many nodes."""
    return dump_yaml({"hostname": node.name})


def _entries(files: Iterable[NodeFile]) -> str:
    entries = [_entry(file) for file in files]
    return dump_yaml(entries) if entries else ""


def _entry(file: NodeFile) -> dict[str, YamlValue]:
    entry: dict[str, YamlValue] = {"path": str(file.path), "content": file.content}
    # cloud-init's own default is 0644; it wants the mode as text.
    if file.mode != 0o644:
        entry["permissions"] = f"{file.mode:04o}"
    return entry
