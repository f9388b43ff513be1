"""Hosts with files of two generations up at once: the real haproxy and keepalived keep one holder."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from khgen.plan.cluster_plan import NodeFile, founders_of
from khgen.rehearse.processes import wait_until
from khgen.render import ClusterRender
from khgen.spec.model import ClusterSpec
from support.programs import require_namespaces, require_program
from support.rendering import render_of
from support.topologies import cluster
from support.vrrp_hosts import (
    VrrpMachine,
    bridged,
    holding,
    steady_holder,
    vip_files_of,
    vip_machine,
)

pytestmark = pytest.mark.tools
BRIDGE = "khgrow"
HALF_SECONDS = 24
VIP = {"vip": "10.4.0.250", "port": 6443}


def grown(count: int, first: int = 1) -> ClusterRender:
    """A cluster behind so many balancers, lb<first> the first."""
    spec = cluster({"cp": 1, "lb": first + count - 1}, controlPlaneEndpoint=VIP)
    kept = tuple(n for n in spec.nodes if n.name[:2] != "lb" or int(n.name[2:]) >= first)
    spec = ClusterSpec.model_validate(
        spec.model_copy(update={"nodes": kept}).model_dump(mode="json", by_alias=True)
    )
    assert founders_of(spec) == ("cp1",)
    return render_of(spec)


@dataclass
class Site:
    """The machines on one bridge."""

    folder: Path
    stack: ExitStack
    machines: dict[str, VrrpMachine] = field(default_factory=dict)

    def set_up(self, render: ClusterRender, name: str) -> VrrpMachine:
        machine = vip_machine(render, name, BRIDGE, self.folder)
        self.machines[name] = machine
        self.stack.callback(machine.dismantle)
        machine.assemble()
        return machine

    def holders(self, half_seconds: int = HALF_SECONDS) -> list[list[str]]:
        """Who held the VIP at each half second."""
        seen = []
        for _ in range(half_seconds):
            seen.append(holding(self.machines.values()))
            time.sleep(0.5)
        return seen


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    require_namespaces()
    for program in ("haproxy", "keepalived", "curl"):
        require_program(program)
    with bridged(BRIDGE), ExitStack() as stack:
        yield Site(folder=tmp_path, stack=stack)


def of_older_khgen(files: Sequence[NodeFile]) -> tuple[NodeFile, ...]:
    """The files of a host that neither asks the others nor answers them."""
    made = []
    for file in files:
        text = file.content
        if file.path.name == "haproxy.cfg":
            text = re.sub(r"  tcp-request .*\n|  use_backend vip-hosts .*\n", "", text)
        if file.path.name == "keepalived.conf":
            text = re.sub(r"vrrp_script vip-hosts \{[^}]*\}\n|    vip-hosts\n", "", text)
        made.append(replace(file, content=text))
    return tuple(made)


@pytest.mark.parametrize(
    ("old", "new", "older_khgen"),
    [((1, 2), 3, True), ((2, 3), 1, False)],
    ids=["higher-than-hosts-of-an-older-khgen", "lower"],
)
def test_a_third_balancer_waits_for_the_two_to_have_their_new_files(
    site: Site, old: tuple[int, int], new: int, older_khgen: bool
) -> None:
    before, after = grown(2, min(old)), grown(3)
    names = [f"lb{number}" for number in old]
    for name in names:
        machine = site.set_up(before, name)
        if older_khgen:
            machine.give(of_older_khgen(machine.files))
        machine.power_on()
    first = steady_holder(list(site.machines.values()))
    newcomer = site.set_up(after, f"lb{new}")
    newcomer.power_on()
    wait_until(lambda: bool(newcomer.processes("keepalived")), 60, "its keepalived")
    assert site.holders() == [[first.name]] * HALF_SECONDS, "the newcomer is not counted in yet"

    first.power_off()
    (other,) = (site.machines[name] for name in names if name != first.name)
    wait_until(lambda: holding([other]) == [other.name], 60, "the other old one")
    assert site.holders() == [[other.name]] * HALF_SECONDS

    first.give(vip_files_of(after, first.name))
    first.power_on()
    wait_until(lambda: bool(first.processes("keepalived")), 60, "its keepalived")
    other.power_off()
    other.give(vip_files_of(after, other.name))
    while_it_is_off = site.holders()
    assert all(len(holders) <= 1 for holders in while_it_is_off), while_it_is_off
    other.power_on()
    third = steady_holder(list(site.machines.values()))
    third.power_off()
    seen = site.holders()
    assert all(len(holders) <= 1 for holders in seen), seen
    assert seen[-1] != []
    if third is not newcomer:
        others = [m for m in site.machines.values() if m not in (third, newcomer)]
        for machine in others:
            machine.power_off()
        wait_until(lambda: holding([newcomer]) == [newcomer.name], 60, "the newcomer, counted in")
