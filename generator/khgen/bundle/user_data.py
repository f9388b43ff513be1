"""One node's user-data: a plain #cloud-config that places files and starts khgen-boot.

What all nodes of a kind share comes first, so that it is dumped and compressed once.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from khgen.bundle.datasource import Encoder, Encoding, counted_bytes, encoding_of, limit_of
from khgen.files.node_file import NodeFile
from khgen.plan.model import NodePlan, Plan
from khgen.yaml_text import YamlValue, dump_yaml

START_BOOT = (
    ("systemctl", "daemon-reload"),
    ("systemctl", "enable", "--now", "--no-block", "khgen-boot.service"),
)
"""runcmd does this and nothing else: the boot itself is khgen-boot's, which retries and reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserData:
    """User-data as the datasource takes it, with its sizes in bytes."""

    text: bytes
    delivered: bytes
    gzipped_bytes: int
    encoding: Encoding
    counted_bytes: int
    limit: int | None

    @property
    def fits(self) -> bool:
        """Whether the datasource takes it."""
        return self.limit is None or self.counted_bytes <= self.limit


class UserDataBuilder:
    """Builds the user-data of nodes of one kind, from the files that they share."""

    def __init__(self, plan: Plan, shared: Iterable[NodeFile]) -> None:
        """A builder for nodes that all have the `shared` files."""
        self._spec = plan.spec.user_data
        self._prefix = _shared_text(plan, shared).encode()
        self._encoder = Encoder(encoding_of(self._spec), self._prefix)

    def build(self, node: NodePlan, own: Iterable[NodeFile]) -> UserData:
        """The user-data of one node: the shared files and its own."""
        entries = [_entry(file) for file in own]
        # The node's name comes last: everything before it may be the same for many nodes.
        tail = (dump_yaml(entries) if entries else "") + dump_yaml({"hostname": node.name})
        rest = tail.encode()
        delivered = self._encoder.encode(rest)
        gzipped = self._encoder.gzip(rest)
        return UserData(
            text=self._prefix + rest,
            delivered=delivered,
            gzipped_bytes=len(gzipped),
            encoding=encoding_of(self._spec),
            counted_bytes=counted_bytes(self._spec, delivered),
            limit=limit_of(self._spec),
        )


def _shared_text(plan: Plan, shared: Iterable[NodeFile]) -> str:
    keys: dict[str, YamlValue] = {"preserve_hostname": False, "manage_etc_hosts": False}
    if plan.spec.os.ssh_authorized_keys:
        keys["ssh_authorized_keys"] = plan.spec.os.ssh_authorized_keys
    if plan.spec.os.timezone is not None:
        keys["timezone"] = plan.spec.os.timezone
    keys.update(plan.spec.user_data.extra)
    keys["runcmd"] = [*_extra_runcmd(plan), *START_BOOT]
    entries = [_entry(file) for file in shared]
    return f"#cloud-config\n{dump_yaml(keys)}write_files:\n{dump_yaml(entries)}"


def _extra_runcmd(plan: Plan) -> list[YamlValue]:
    extra = plan.spec.user_data.extra.get("runcmd", [])
    return list(extra) if isinstance(extra, list) else [extra]


def _entry(file: NodeFile) -> dict[str, YamlValue]:
    entry: dict[str, YamlValue] = {"path": str(file.path), "content": file.content}
    # cloud-init's own default is 0644 and root:root; it wants the mode as text.
    if file.mode != 0o644:
        entry["permissions"] = f"{file.mode:04o}"
    if file.owner != "root:root":
        entry["owner"] = file.owner
    return entry
