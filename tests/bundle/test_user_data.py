"""User-data: its size, and that what arrives incomplete does not start a boot."""

import pytest
import yaml

from khgen.files.boot import UNIT
from khgen.plan.cluster_plan import CONTROL_PLANE_KINDS, ETCD_KINDS, NodePlan, Plan
from support.rendering import EXAMPLES as ALL_EXAMPLES
from support.rendering import example_render

EXAMPLES = ("dedicated-lb", "external-etcd", "rocky-stacked-ha")
CONTROL_PLANE_BYTES, WITH_VIP_BYTES = int(14.5 * 1024), 17 * 1024
ETCD_HOST_BYTES, OTHER_BYTES = 8 * 1024, int(7.25 * 1024)
"""EC2 takes 16 KiB; the rest is what a site may add. VRRP's virtual IP does not work there, so a
control plane that carries one may have more: the next smallest limit is 32 KiB."""


def most_bytes(plan: Plan, node: NodePlan) -> int:
    if node.kind in CONTROL_PLANE_KINDS:
        return WITH_VIP_BYTES if node in plan.load_balancers else CONTROL_PLANE_BYTES
    return ETCD_HOST_BYTES if node.kind in ETCD_KINDS else OTHER_BYTES


@pytest.mark.parametrize("example", ALL_EXAMPLES)
def test_gzipped_user_data_of_every_example_leaves_room(example: str) -> None:
    render = example_render(example)
    for node in render.plan.nodes:
        size = render.node(node).user_data.gzipped_bytes
        assert size <= most_bytes(render.plan, node), node.name


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_unit_that_starts_the_boot_is_the_last_file(example: str) -> None:
    render = example_render(example)
    for node in render.plan.nodes:
        data = yaml.safe_load(render.node(node).user_data.text)
        assert data["write_files"][-1]["path"] == str(UNIT)
        assert data["hostname"] == node.name


def test_wherever_it_is_cut_off_it_begins_with_what_waits_for_the_unit() -> None:
    render = example_render("external-etcd")
    text = render.node(render.plan.workers[0]).user_data.text
    unit = text.index(f"- path: {UNIT}".encode())
    start = text.index(b"runcmd:")
    assert start < text.index(b"write_files:") < unit
    assert b"until systemctl enable" in text[start : text.index(b"write_files:")]
    for end in range(start + 200, unit, 97):
        try:
            data = yaml.safe_load(text[:end])
        except (yaml.YAMLError, UnicodeDecodeError):
            continue
        files = [file for file in data.get("write_files") or () if isinstance(file, dict)]
        assert str(UNIT) not in [file.get("path") for file in files]
        assert data["runcmd"][-1].startswith("until systemctl enable khgen-boot && ")
