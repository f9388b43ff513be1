"""Three hosts with the rendered files of external-etcd: the real keepalived agrees with
the proof in khgen.plan.virtual_ip."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from khgen.files.haproxy import haproxy_files
from khgen.files.keepalived import keepalived_files, load_balancer_environment
from khgen.rehearse.waiting import wait_until
from support.programs import require_namespaces, require_program
from support.rendering import ROOT, example_render
from support.vrrp_hosts import VrrpMachine, holding, ip, steady_holder

pytestmark = pytest.mark.tools
BRIDGE = "khvip"
STEP = ROOT / "templates/cloud-init/steps/load-balancer.sh"


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[list[VrrpMachine]]:
    require_namespaces()
    for program in ("haproxy", "keepalived", "curl"):
        require_program(program)
    render = example_render("external-etcd")
    made: list[VrrpMachine] = []
    ip("netns", "add", BRIDGE)
    try:
        ip("-n", BRIDGE, "link", "add", "br0", "type", "bridge")
        ip("-n", BRIDGE, "link", "set", "br0", "up")
        for node in render.plan.load_balancers:
            files = (
                *haproxy_files(render.plan, node.kind),
                *keepalived_files(render.plan, node, render.secrets.vrrp_password),
            )
            machine = VrrpMachine(
                bridge=BRIDGE,
                name=node.name,
                address=node.address,
                files=files,
                environment=load_balancer_environment(render.plan, node),
                folder=tmp_path / node.name,
                step=STEP,
            )
            made.append(machine)
            machine.assemble()
        yield made
    finally:
        for machine in made:
            machine.dismantle()
        ip("netns", "del", BRIDGE)


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
