"""Three hosts with the rendered files of external-etcd: the real keepalived agrees with
the model in support.vrrp_model."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from khgen.rehearse.processes import wait_until
from support.programs import require_namespaces, require_program
from support.rendering import example_render
from support.vrrp_hosts import VrrpMachine, bridged, holding, steady_holder, vip_machine

pytestmark = pytest.mark.tools
BRIDGE = "khvip"


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[list[VrrpMachine]]:
    require_namespaces()
    for program in ("haproxy", "keepalived", "curl"):
        require_program(program)
    render = example_render("external-etcd")
    made: list[VrrpMachine] = []
    with bridged(BRIDGE):
        try:
            for node in render.plan.load_balancers:
                made.append(vip_machine(render, node.name, BRIDGE, tmp_path))
                made[-1].assemble()
            yield made
        finally:
            for machine in made:
                machine.dismantle()


def test_exactly_one_holder_through_power_cuts_and_dead_haproxies(
    machines: list[VrrpMachine],
) -> None:
    assert len(machines) == 3
    for machine in machines:
        machine.power_on()
    first = steady_holder(machines)

    first.power_off()
    second = steady_holder(machines)
    first.power_on()
    wait_until(lambda: bool(first.processes("keepalived")), 60, "its keepalived")
    time.sleep(5)
    assert holding(machines) == [second.name], "the VIP moved because a host came back"

    second.kill_program("haproxy")
    wait_until(lambda: holding(machines) not in ([second.name], []), 60, "another")
    third = steady_holder(machines)
    second.restart_haproxy()
    time.sleep(4)
    assert holding(machines) == [third.name], "the VIP moved because a haproxy came back"

    for machine in machines:
        machine.kill_program("haproxy")
    time.sleep(5)
    assert len(holding(machines)) == 1, "somebody holds the VIP even when every haproxy is dead"
