"""haproxy.cfg: its servers, its addresses, and what it must not depend on."""

import re

import pytest

from khgen.files.load_balancer import CHECK_HAPROXY, haproxy_files, vip_files
from khgen.plan.cluster_plan import NodeKind, Plan, build_plan, founders_of
from khgen.spec.model import ClusterSpec

CONTROL_PLANES: tuple[dict[str, object], ...] = tuple(
    {"name": f"cp{n}", "role": "control-plane", "address": f"192.168.10.1{n}"} for n in (1, 2, 3)
)
WORKER: dict[str, object] = {"name": "w1", "role": "worker", "address": "192.168.10.100"}
LOAD_BALANCER: dict[str, object] = {
    "name": "lb1",
    "role": "load-balancer",
    "address": "192.168.10.5",
}


def planned(*nodes: dict[str, object], founders: tuple[str, ...] = (), **endpoint: object) -> Plan:
    spec = ClusterSpec.model_validate(
        {
            "apiVersion": "khgen/v1alpha1",
            "kind": "Cluster",
            "metadata": {"name": "lab"},
            "controlPlaneEndpoint": endpoint or {"vip": "192.168.10.240", "port": 8443},
            "os": {"family": "debian", "release": "12"},
            "nodes": nodes,
        }
    )
    return build_plan(spec, founders or founders_of(spec))


def config(plan: Plan, kind: NodeKind = NodeKind.FOUNDER) -> str:
    return haproxy_files(plan, kind)[0].content


def test_both_backends_ask_every_control_plane() -> None:
    servers = re.findall(r"^  server (\S+) (\S+)$", config(planned(*CONTROL_PLANES)), re.MULTILINE)
    assert servers == 2 * [(f"cp{n}", f"192.168.10.1{n}:6443") for n in (1, 2, 3)]


def test_later_control_planes_are_backends_too_and_have_the_same_file() -> None:
    plan = planned(*CONTROL_PLANES, founders=("cp1", "cp2"))
    assert "server cp3 192.168.10.13:6443" in config(plan)
    joiner = haproxy_files(plan, NodeKind.CONTROL_PLANE_JOINER)
    assert joiner == haproxy_files(plan, NodeKind.FOUNDER)


def test_a_worker_changes_nothing_and_gets_nothing() -> None:
    larger = planned(*CONTROL_PLANES, WORKER)
    assert config(larger) == config(planned(*CONTROL_PLANES))
    assert haproxy_files(larger, NodeKind.WORKER) == ()


def test_dedicated_hosts_take_it_off_the_control_planes() -> None:
    plan = planned(*CONTROL_PLANES, LOAD_BALANCER, vip="192.168.10.240", port=6443)
    assert haproxy_files(plan, NodeKind.FOUNDER) == ()
    assert "bind 0.0.0.0:6443\n" in config(plan, NodeKind.LOAD_BALANCER)


def test_nothing_behind_an_external_load_balancer() -> None:
    assert haproxy_files(planned(*CONTROL_PLANES, host="k8s.example.org"), NodeKind.FOUNDER) == ()


@pytest.mark.parametrize(
    ("extra", "vip", "bind"),
    [
        ({}, "192.168.10.240", "0.0.0.0:8443"),
        ({"additionalAddresses": ["fd00::11"]}, "192.168.10.240", "[::]:8443 v4v6"),
        ({"additionalAddresses": ["fd00::11"]}, "fd00::240", "[::]:8443 v4v6"),
    ],
)
def test_it_listens_on_the_families_that_are_there(
    extra: dict[str, object], vip: str, bind: str
) -> None:
    plan = planned(CONTROL_PLANES[0] | extra, vip=vip, port=8443)
    assert f"  bind {bind}\n" in config(plan)


def test_ipv6_servers_are_in_brackets() -> None:
    plan = planned({"name": "cp1", "role": "control-plane", "address": "fd00::11"}, vip="fd00::240")
    assert "server cp1 [fd00::11]:6443\n" in config(plan)


def test_keepalived_may_run_the_check_and_it_asks_only_haproxy() -> None:
    plan = planned(*CONTROL_PLANES)
    check = next(f for f in vip_files(plan, NodeKind.FOUNDER) if f.path == CHECK_HAPROXY)
    assert check.mode == 0o755
    socket = re.findall(r"--unix-socket (\S+)", check.content)
    assert socket == re.findall(r"bind unix@(\S+)", config(plan))
    assert "6443" not in check.content
    assert "readyz" not in check.content


def test_it_answers_which_hosts_share_the_virtual_ip() -> None:
    answer = re.search(r'http-request return .* string "(.*)"', config(planned(*CONTROL_PLANES)))
    assert answer is not None
    assert answer[1].split() == [node["address"] for node in CONTROL_PLANES]


def test_there_is_a_place_for_servers_that_join_later_in_both_lists() -> None:
    assert config(planned(*CONTROL_PLANES)).count("  # joined later:\n\n") == 2
