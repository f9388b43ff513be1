"""User-data: its size, and that what arrives incomplete does not start a boot."""

from base64 import b64decode

import pytest
import yaml

from khgen.bundle.archive import BundleError, files_of_bundle
from khgen.bundle.user_data import BUNDLE, files_of_user_data
from khgen.files.boot import UNIT
from khgen.plan.cluster_plan import CONTROL_PLANE_KINDS, ETCD_KINDS, NodePlan
from support.rendering import EXAMPLES as ALL_EXAMPLES
from support.rendering import example_render

EXAMPLES = ("dedicated-lb", "external-etcd", "rocky-stacked-ha")
CONTROL_PLANE_BYTES, ETCD_HOST_BYTES, OTHER_BYTES = 16 * 1024, int(9.25 * 1024), 8 * 1024
"""EC2 takes 16 KiB. It has no virtual IP; an external load balancer leaves 2 KiB for what a site adds."""
MUCH_CONFIGURED = {
    ("rocky-stacked-ha", "control-plane"): int(16.25 * 1024),
    ("rocky-stacked-ha", "worker"): int(8.75 * 1024),
    ("external-etcd-external-lb", "worker"): int(8.25 * 1024),
    ("stacked-external-lb", "worker"): int(8.25 * 1024),
}
"""Examples with mirrors, kernel settings or SELinux besides."""


def most_bytes(example: str, node: NodePlan) -> int:
    if (example, node.role.value) in MUCH_CONFIGURED:
        return MUCH_CONFIGURED[example, node.role.value]
    if node.kind in CONTROL_PLANE_KINDS:
        return CONTROL_PLANE_BYTES
    return ETCD_HOST_BYTES if node.kind in ETCD_KINDS else OTHER_BYTES


@pytest.mark.parametrize("example", ALL_EXAMPLES)
def test_gzipped_user_data_of_every_example_leaves_room(example: str) -> None:
    render = example_render(example)
    for node in render.plan.nodes:
        size = render.node(node).user_data.gzipped_bytes
        assert size <= most_bytes(example, node), node.name


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_unit_that_starts_the_boot_is_the_last_file(example: str) -> None:
    render = example_render(example)
    for node in render.plan.nodes:
        user_data = render.node(node).user_data
        assert files_of_user_data(user_data.delivered)[-1].path == UNIT
        assert yaml.safe_load(user_data.text)["hostname"] == node.name


@pytest.mark.parametrize("role", ["control-plane", "worker"])
def test_wherever_it_is_cut_off_it_begins_with_what_waits_for_the_unit(role: str) -> None:
    render = example_render("external-etcd")
    node = next(node for node in render.plan.nodes if node.role == role)
    text = render.node(node).user_data.text
    start, files = text.index(b"runcmd:"), text.index(b"write_files:")
    assert start < files
    last = text.index(b"hostname:") if role == "control-plane" else text.index(str(UNIT).encode())
    for end in range(start + 250, last, 97):
        try:
            data = yaml.safe_load(text[:end])
        except (yaml.YAMLError, UnicodeDecodeError):
            continue
        assert "until " in data["runcmd"][0]
        assert " && systemctl enable khgen-" in data["runcmd"][0].replace("until ", " && ")
        assert not starts(data)


def starts(data: dict[str, object]) -> bool:
    """Whether what arrived of the user-data would start a boot."""
    entries = data.get("write_files")
    files = (
        [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    )
    contents = {file.get("path"): file.get("content", "") for file in files}
    if BUNDLE not in contents:
        return str(UNIT) in contents
    try:
        files_of_bundle(b64decode(contents[BUNDLE] or ""))
    except (BundleError, ValueError):
        return False
    return True
