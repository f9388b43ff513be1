"""docs/boot-order.md: its tables are those of the steps; `--record` writes them anew."""

import re

import pytest

from khgen.files.templates import verbatim
from khgen.plan.cluster_plan import NodeKind, Plan, build_plan, founders_of
from khgen.plan.steps import Step, all_steps_of, steps_of
from support.boot_steps import is_gate
from support.rendering import ROOT, example_spec, plan_of

PAGE = ROOT / "docs" / "boot-order.md"
KINDS = (
    ("A founding control plane, with stacked etcd and a VIP", "rocky-stacked-ha", NodeKind.FOUNDER),
    ("A founding control plane, with external etcd", "external-etcd", NodeKind.FOUNDER),
    ("An etcd host", "external-etcd", NodeKind.ETCD_FOUNDER),
    ("A worker", "rocky-stacked-ha", NodeKind.WORKER),
    ("A control plane that joins later", "rocky-stacked-ha", NodeKind.CONTROL_PLANE_JOINER),
    ("A load-balancer host", "dedicated-lb", NodeKind.LOAD_BALANCER),
)

UPDATED = (
    ("An update of a control plane", "rocky-stacked-ha", NodeKind.FOUNDER),
    ("An update of a worker", "rocky-stacked-ha", NodeKind.WORKER),
    ("An update of an etcd host", "external-etcd", NodeKind.ETCD_FOUNDER),
)


def plan_with(example: str, kind: NodeKind) -> Plan:
    """The example's plan; for a joiner, as if its last control plane had come later."""
    spec = example_spec(example)
    if kind is not NodeKind.CONTROL_PLANE_JOINER:
        return plan_of(spec)
    return build_plan(spec, founders_of(spec)[:-1])


def table(plan: Plan, kind: NodeKind) -> str:
    rows = ["| step | | what it does, or waits for |", "|---|---|---|"]
    for step in steps_of(plan, kind):
        act = "gate" if is_gate(step) else ""
        rows.append(f"| `{step.file_name}` | {act} | {header(step, '')} |")
    return "\n".join(rows)


def living_table(plan: Plan, kind: NodeKind) -> str:
    rows = ["| step | what it brings about | what it disrupts |", "|---|---|---|"]
    for step in all_steps_of(plan, kind):
        if step.living:
            why = "; drains: ".join(
                filter(None, (header(step, "disrupts"), header(step, "drains")))
            )
            rows.append(f"| `{step.file_name}` | {header(step, '')} | {why} |")
    return "\n".join(rows)


def header(step: Step, name: str) -> str:
    """What a script's header says; empty without one."""
    found = re.search(rf"^#{name}: (.*)$", verbatim(f"steps/{step.name}.sh"), re.MULTILINE)
    return found[1] if found else ""


def page() -> str:
    introduction = PAGE.read_text(encoding="utf-8").partition(f"\n## {KINDS[0][0]}\n")[0]
    sections = [
        f"## {title}\n\n{table(plan_with(example, kind), kind)}\n" for title, example, kind in KINDS
    ]
    updates = [
        f"## {title}\n\n{living_table(plan_with(example, kind), kind)}\n"
        for title, example, kind in UPDATED
    ]
    return "\n".join((introduction, *sections, *updates))


def test_the_boot_order_page_is_that_of_the_steps(pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("--record"):
        PAGE.write_text(page(), encoding="utf-8")
        pytest.fail("recorded docs/boot-order.md: read the diff, then run without --record")
    assert PAGE.read_text(encoding="utf-8") == page()
