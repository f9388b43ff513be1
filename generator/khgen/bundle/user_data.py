"""One node's user-data: a plain #cloud-config that places files and starts khgen-boot.

What all nodes of a kind share comes first, so that it is dumped and compressed once: but for
certificates and kubeconfigs, which stand together at the end, where they compress best.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from khgen.bundle.datasource import (
    KUBECONFIG_MARK,
    PEM_MARK,
    Compressor,
    Encoding,
    counted_bytes,
    delivered_bytes,
    encoding_of,
    limit_of,
)
from khgen.files.boot import STEPS, UNIT
from khgen.files.golden_image import IMAGE_STEPS, in_image, steps_in_image
from khgen.plan.cluster_plan import NodeFile, NodePlan, Plan
from khgen.yaml_text import YamlValue, dump_yaml

STATUS = "/run/khgen/status.json"
START = (
    f"systemctl enable khgen-boot && {{ [ {STATUS} -nt {UNIT} ] || systemctl restart khgen-boot; }}"
)
AGAIN = "sleep 9; cloud-init single -n write_files --frequency always"
"""runcmd does this and nothing else: the boot itself is khgen-boot's, which retries and reports.

khgen-boot's unit is the last of the files, and cloud-init leaves out those after one that it
cannot write. So where the disk was full, all of them are placed again, until there is room; and
where the user-data was cut off, cloud-init never says that it is done. Nor does it where the image
has not every step that this node copies out of it.

`enable` makes systemd read its units anew (systemctl(1)). A khgen-boot that began before its files
were placed begins again; one that has reported since then is left alone.
"""


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
    delivered: bytes
    gzipped_bytes: int
    encoding: Encoding
    counted_bytes: int
    limit: int | None


class UserDataBuilder:
    """Builds the user-data of nodes of one kind, from the files that they share."""

    def __init__(self, plan: Plan, shared: Iterable[NodeFile]) -> None:
        """A builder for nodes that all have the `shared` files."""
        self._spec = plan.spec.user_data
        shared = tuple(shared)
        baked = in_image(plan, shared)
        travelling = _by_section(file for file in shared if file not in baked)
        self._shared = {section: _entries(files) for section, files in travelling.items()}
        head = _head(plan, tuple(file for file in shared if file in baked))
        self._prefix = (head + self._shared[Section.TEXT]).encode()
        self._compressor = Compressor(self._prefix)

    def build(self, node: NodePlan, own: Iterable[NodeFile]) -> UserData:
        """The user-data of one node: the shared files and its own."""
        files = _by_section(own)
        parts = [_entries(files[Section.TEXT])]
        parts += [self._shared[s] + _entries(files[s]) for s in (Section.PEM, Section.KUBECONFIG)]
        # The node's name comes last: everything before it may be the same for many nodes.
        tail = self._shared[Section.LAST] + dump_yaml({"hostname": node.name})
        *first, last = (part for part in parts if part)
        sections = [part.encode() for part in (*first, last + tail)]
        whole = b"".join((self._prefix, *sections))
        gzipped = self._compressor.gzip(sections)
        encoding = encoding_of(self._spec)
        delivered = delivered_bytes(encoding, whole, gzipped)
        return UserData(
            text=whole,
            delivered=delivered,
            gzipped_bytes=len(gzipped),
            encoding=encoding,
            counted_bytes=counted_bytes(self._spec, delivered),
            limit=limit_of(self._spec),
        )


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


def _head(plan: Plan, baked: tuple[NodeFile, ...]) -> str:
    keys: dict[str, YamlValue] = {"manage_etc_hosts": False}
    if plan.spec.os.ssh_authorized_keys:
        keys["ssh_authorized_keys"] = plan.spec.os.ssh_authorized_keys
    if plan.spec.os.timezone is not None:
        keys["timezone"] = plan.spec.os.timezone
    keys.update(plan.spec.user_data.extra)
    keys["runcmd"] = [*_extra_runcmd(plan), _start_boot(steps_in_image(baked))]
    return f"#cloud-config\n{dump_yaml(keys)}write_files:\n"


def _start_boot(baked_steps: tuple[str, ...]) -> str:
    if not baked_steps:
        return f"until {START}; do {AGAIN}; done"
    copy = f"(cd {IMAGE_STEPS} && cp -t {STEPS} {' '.join(baked_steps)})"
    report = "echo 'no image of khgen, or of another version, or no room' >/dev/console"
    return f"until {copy} && {START}; do {report}; {AGAIN}; done"


def _extra_runcmd(plan: Plan) -> list[YamlValue]:
    extra = plan.spec.user_data.extra.get("runcmd", [])
    return list(extra) if isinstance(extra, list) else [extra]


def _entries(files: list[NodeFile]) -> str:
    return dump_yaml([_entry(file) for file in files]) if files else ""


def _entry(file: NodeFile) -> dict[str, YamlValue]:
    entry: dict[str, YamlValue] = {"path": str(file.path), "content": file.content}
    # cloud-init's own default is 0644; it wants the mode as text.
    if file.mode != 0o644:
        entry["permissions"] = f"{file.mode:04o}"
    return entry
