"""NoCloud seeds of nodes: a folder, or an ISO 9660 image with the machine's user-data."""

import json
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from io import BytesIO
from time import struct_time

from khgen.bundle.datasource import Encoding
from khgen.bundle.update_bundle import STATEMENT
from khgen.export.rendered_machines import ExportCluster, ExportFile, ExportNode
from khgen.yaml_text import YamlValue, dump_yaml

BROUGHT = "/run/khgen/update"
"""Where an update seed puts the update: in memory, so its keys reach the disk only where they are used."""
VOLUME_LABEL = "cidata"
"""cloud-init's DataSourceNoCloud finds the disk by this label."""

_SHORT_NAMES = {
    "user-data": "/USER_DAT.;1",
    "meta-data": "/META_DAT.;1",
    "network-config": "/NETWORK_.;1",
}
"""The names in ISO 9660 itself; Rock Ridge and Joliet have the real names, which systems read."""


def seed_iso(files: Mapping[str, bytes], moment: datetime) -> bytes:
    """An image with these files, readable only by root; all dates in it are `moment`."""
    from pycdlib.pycdlib import PyCdlib  # noqa: PLC0415 - loaded where a seed is made

    image = BytesIO()
    with _stopped_clock(moment), ExitStack() as opened:
        iso = PyCdlib()
        iso.new(vol_ident=VOLUME_LABEL, joliet=3, rock_ridge="1.09", app_ident_str="KHGEN")
        opened.callback(iso.close)
        for name, content in files.items():
            iso.add_fp(
                BytesIO(content),
                len(content),
                iso_path=_SHORT_NAMES[name],
                rr_name=name,
                joliet_path=f"/{name}",
                file_mode=0o100400,
            )
        iso.write_fp(image)
    return image.getvalue()


class _StoppedClock:
    """The module `time`, stopped at one moment, in UTC."""

    def __init__(self, moment: datetime) -> None:
        self._seconds = moment.timestamp()

    def time(self) -> float:
        return self._seconds

    def localtime(self, seconds: float | None = None) -> struct_time:
        return time.gmtime(self._seconds if seconds is None else seconds)

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)


@contextmanager
def _stopped_clock(moment: datetime) -> Iterator[None]:
    """Show pycdlib only this moment: it dates everything by the clock, and has no option for that."""
    modules = [
        module
        for name, module in sys.modules.items()
        if name.startswith("pycdlib.") and getattr(module, "time", None) is time
    ]
    clock = _StoppedClock(moment)
    for module in modules:
        setattr(module, "time", clock)  # noqa: B010 - a module's attribute, for mypy
    try:
        yield
    finally:
        for module in modules:
            setattr(module, "time", time)  # noqa: B010


class SeedFormat(StrEnum):
    """The form of a seed."""

    ISO = "iso"
    DIR = "dir"


def seed_files(cluster: ExportCluster, seed_format: SeedFormat) -> Iterator[ExportFile]:
    """Each node's seed: `<name>.iso`, or the files of `<name>/`."""
    for node in cluster.nodes:
        files = node.seed_files
        if seed_format is SeedFormat.ISO:
            image = seed_iso(files, cluster.issued_at)
            yield ExportFile(path=f"{node.name}.iso", content=image, node=node.name)
            continue
        for name, content in files.items():
            yield ExportFile(path=f"{node.name}/{name}", content=content, node=node.name)


def update_seed(node: ExportNode) -> ExportNode:
    """The node with user-data that brings its update to the machine that runs, and nothing else.

    cloud-init runs it once, because the instance-id is another one for each generation. The
    network-config comes along: without it, cloud-init would set up the network by DHCP.
    """
    generation = json.loads(node.update[STATEMENT])["generation"]
    user_data = dump_yaml(
        {
            "manage_etc_hosts": False,
            "hostname": node.name,
            "write_files": [_written(name, content) for name, content in node.update.items()],
            "runcmd": [f"khgen-update apply {BROUGHT} && rm -r {BROUGHT}"],
        }
    )
    instance = f"{node.name}-update-{generation}"
    return replace(
        node,
        instance_id=instance,
        encoding=Encoding.PLAIN,
        user_data=f"#cloud-config\n{user_data}".encode(),
        meta_data=dump_yaml({"instance-id": instance, "local-hostname": node.name}).encode(),
    )


def _written(name: str, content: bytes) -> dict[str, YamlValue]:
    return {
        "path": f"{BROUGHT}/{name}",
        "permissions": "0600",
        "encoding": "b64",
        "content": b64encode(content).decode(),
    }
