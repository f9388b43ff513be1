"""Pages with parts that khgen itself makes; `--record` writes these anew."""

import re
from pathlib import Path

import pytest

from khgen.plan.cluster_plan import NodeKind, Plan, build_plan, founders_of
from khgen.plan.steps import Step, all_steps_of, steps_of
from khgen.resources import verbatim
from support.boot_steps import is_gate
from support.command import SMALL_SPEC, khgen
from support.rendering import ROOT, example_spec, plan_of

PAGE = ROOT / "docs" / "boot-order.md"
UPGRADE = ROOT / "docs" / "upgrade.md"
UPGRADED = """\
kubernetes:
  version: 1.31.14
  apiServer: {extraArgs: {audit-log-maxage: 30, cloud-provider: external}}
"""
EXAMPLE = "\n## An example\n"
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


def upgrade_example(folder: Path) -> str:
    """What the command prints about a small cluster that has a flag too many."""
    (folder / "cluster.yaml").write_text(SMALL_SPEC + UPGRADED)
    assert khgen("render", "cluster.yaml", cwd=folder).returncode == 0
    words = "upgrade plan cluster.yaml --to 1.33.13"
    done = khgen(*words.split(), cwd=folder)
    assert done.returncode == 1, done.stderr
    return f"```\n$ khgen {words}\n{done.stdout}{done.stderr}```\n"


def test_the_upgrade_page_shows_what_the_command_prints(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    text = UPGRADE.read_text(encoding="utf-8")
    introduction = text.partition(EXAMPLE)[0]
    wanted = (
        f"{introduction}{EXAMPLE}\nThe spec runs 1.31.14 with two flags of the API server:\n\n"
        f"```yaml\n{UPGRADED}```\n\n{upgrade_example(tmp_path)}"
    )
    if pytestconfig.getoption("--record"):
        UPGRADE.write_text(wanted, encoding="utf-8")
        pytest.fail("recorded docs/upgrade.md: read the diff, then run without --record")
    assert text == wanted
