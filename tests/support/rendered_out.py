"""Output folders as `khgen render` writes them, from secrets that are fixed for the tests."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from khgen.disk.publish import publish
from khgen.disk.rendered_output import load_files, load_manifest, load_nodes
from khgen.render import ClusterRender
from support.command import SMALL_SPEC
from support.fixed import FIXED_NOW
from support.rendering import example_render, render_of, spec_of

Entry = TypeVar("Entry")
"""What a tree has for a file: its content, perhaps with its mode."""
MAC = "52:54:00:12:34:56"
ADDRESSED_SPEC = SMALL_SPEC.replace(
    "address: 10.9.0.21",
    f'address: 10.9.0.21, network: {{prefixLength: 24, gateway: 10.9.0.1, macAddress: "{MAC}"}}',
)
"""Its worker w1 has a network-config, the control planes have none."""


def with_datasource(spec: str, datasource: str) -> str:
    """That spec for another datasource: ec2 takes gzip, hetzner gzip in base64."""
    return f"{spec}userData: {{datasource: {datasource}}}\n"


def timeless(files: Mapping[str, Entry]) -> Mapping[str, Entry]:
    """What does not depend on when it was rendered: an update has the time at which it was new."""
    dated = ("update/bundle.json", "update/bundle.sig", "update.yaml", "manifest.json")
    return {name: file for name, file in files.items() if not name.endswith(dated)}


def write_out(folder: Path, spec: str, *, rootfs: bool = False) -> Path:
    """The output folder of that spec's text, at `folder`/out; with `rootfs`, with whole trees."""
    return _published(folder, render_of(spec_of(spec)), rootfs=rootfs)


TOO_LARGE = frozenset({("rocky-stacked-ha", "aws")})
"""Examples that a platform does not take. A VPC has no use for the virtual IP of this one."""


def write_example_out(folder: Path, example: str) -> Path:
    """The output folder of an example, at `folder`/out."""
    return _published(folder, example_render(example))


def _published(folder: Path, render: ClusterRender, *, rootfs: bool = False) -> Path:
    out = folder / "out"
    publish(render, out, render.plan.nodes, lambda _: None, now=FIXED_NOW, rootfs=rootfs)
    return out


def manifest_of(out: Path) -> dict[str, Any]:
    """The output's manifest.json."""
    manifest: dict[str, Any] = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    return manifest


def node_files(out: Path, name: str) -> Mapping[str, bytes]:
    """Every file of that node by its path on the node, as the output has it."""
    manifest = load_manifest(out).manifest
    assert manifest is not None
    cluster, wrong = load_nodes(out, manifest, (name,))
    assert not wrong
    files, wrong = load_files(out, manifest, cluster.nodes[0])
    assert not wrong
    return {path: file.content for path, file in files.items()}


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below the folder, by its path."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
