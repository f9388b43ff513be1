"""Which steps install and prepare a node, and in which order."""

import pytest

from khgen.plan.cluster_plan import NodeKind
from khgen.resources import verbatim
from support.boot_steps import MACHINE_STEPS, machine_steps
from support.machine_specs import BAKED, DEBIAN, ROCKY, machine_plan


def test_only_swap_is_switched_off_by_default() -> None:
    assert machine_steps(machine_plan(), NodeKind.WORKER) == (
        "prepare-swap",
        "prepare-kernel",
        "install-deb",
        "containerd",
    )


def test_selinux_and_firewall_are_explicit_choices() -> None:
    asked = {**ROCKY, "selinux": "permissive", "firewall": "disabled", "swap": "unmanaged"}
    assert machine_steps(machine_plan(os=asked), NodeKind.WORKER) == (
        "prepare-selinux",
        "prepare-firewall",
        "prepare-kernel",
        "install-rpm",
        "containerd",
    )


def test_the_clock_is_prepared_where_the_spec_names_its_sources() -> None:
    named = {**DEBIAN, "timeSync": {"servers": ["ntp.example.org"]}}
    assert machine_steps(machine_plan(os=named), NodeKind.WORKER)[0] == "prepare-clock"
    left = {**DEBIAN, "timeSync": {"program": "unmanaged"}}
    assert "prepare-clock" not in machine_steps(machine_plan(os=left), NodeKind.WORKER)


def test_buildkit_comes_after_containerd() -> None:
    plan = machine_plan(containerd={"version": "1.7", "buildkit": True})
    assert machine_steps(plan, NodeKind.WORKER)[-2:] == ("containerd", "buildkit")


def test_a_load_balancer_only_gets_its_packages() -> None:
    assert machine_steps(machine_plan(), NodeKind.LOAD_BALANCER) == ("install-deb",)


def test_a_baked_image_is_verified() -> None:
    mirrored = {**DEBIAN, "packageMirror": "https://m.example.org/debian"}
    names = machine_steps(machine_plan(os=mirrored, install=BAKED), NodeKind.WORKER)
    assert "install-image" in names
    assert not {"install-deb", "install-downloads", "prepare-mirror-deb"} & set(names)


@pytest.mark.parametrize("name", MACHINE_STEPS)
def test_each_step_is_a_script_that_says_what_it_does(name: str) -> None:
    lines = verbatim(f"steps/{name}.sh").splitlines()
    assert lines[0] == "#!/bin/bash"
    assert lines[1].startswith("#: ")
    head = [line for line in lines[2:5] if line.startswith(("#hint: ", "#every: ", "#files: "))]
    assert lines[2 + len(head)] == "set -euo pipefail"
