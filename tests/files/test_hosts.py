"""/etc/hosts."""

from khgen.files.operating_system import hosts_files
from khgen.plan.cluster_plan import Plan
from support.machine_specs import CONTROL_PLANES, DEBIAN, ETCD_HOSTS, WORKER, machine_plan


def hosts(plan: Plan, name: str) -> list[list[str]]:
    (file,) = hosts_files(plan, plan.by_name[name])
    assert file.content.endswith("\n")
    return [line.split() for line in file.content.splitlines()]


def test_a_worker_knows_itself() -> None:
    assert hosts(machine_plan(), "w1") == [
        ["127.0.0.1", "localhost"],
        ["::1", "localhost"],
        ["192.168.10.100", "w1"],
    ]


def test_control_planes_know_each_other_once() -> None:
    assert hosts(machine_plan(), "cp2")[2:] == [
        ["192.168.10.12", "cp2"],
        ["192.168.10.11", "cp1"],
        ["192.168.10.13", "cp3"],
    ]


def test_another_worker_changes_no_other_node() -> None:
    another = {"name": "w2", "role": "worker", "address": "192.168.10.101"}
    before = machine_plan()
    after = machine_plan(nodes=[*CONTROL_PLANES, WORKER, another])
    for node in before.nodes:
        assert hosts_files(before, node) == hosts_files(after, after.by_name[node.name])


def test_external_etcd_hosts_and_aliases_are_known() -> None:
    alias = {"address": "192.168.10.250", "names": ["lb.example.org", "lb"]}
    plan = machine_plan(
        os={**DEBIAN, "hosts": [alias]},
        etcd={"topology": "external"},
        nodes=[*CONTROL_PLANES, *ETCD_HOSTS],
    )
    assert ["192.168.10.63", "infra3"] in hosts(plan, "cp1")
    assert hosts(plan, "cp1")[-1] == ["192.168.10.250", "lb.example.org", "lb"]


def test_both_families_of_a_dual_stack_node() -> None:
    node = {**WORKER, "additionalAddresses": ["fd00::100"]}
    assert ["fd00::100", "w1"] in hosts(machine_plan(nodes=[*CONTROL_PLANES, node]), "w1")
