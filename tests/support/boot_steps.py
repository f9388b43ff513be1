"""What tests ask about the boot's steps."""

import re

from khgen.plan.cluster_plan import NodeKind, Plan
from khgen.plan.steps import STEPS, Step, steps_of
from khgen.resources import verbatim

MACHINE_STEPS = tuple(step.name for step in STEPS if step.in_bake or step.name == "prepare-clock")
"""Names of the steps that install and prepare a machine, in order."""


def is_gate(step: Step) -> bool:
    """Whether it waits until something is true: its script says how often it looks."""
    text = verbatim(f"steps/{step.name}.sh")
    return re.search(r"^#every: [0-9.]+$", text, re.MULTILINE) is not None


def machine_steps(plan: Plan, kind: NodeKind) -> tuple[str, ...]:
    """Names of those that nodes of that kind have, in order."""
    return tuple(step.name for step in steps_of(plan, kind) if step.name in MACHINE_STEPS)
