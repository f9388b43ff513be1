"""keepalived.conf: peers, interface, families, password."""

import re

import pytest

from khgen.files.load_balancer import keepalived_files, load_balancer_environment, vip_files
from khgen.plan.cluster_plan import NodeKind, Plan, build_plan, founders_of
from khgen.spec.model import ClusterSpec
from support.topologies import cluster

PASSWORD = "k9XvW2pa"  # noqa: S105 - a test's own


def planned(count: int = 3, *, ipv6: bool = False, **endpoint: object) -> Plan:
    prefix, vip = ("fd00::1", "fd00::240") if ipv6 else ("192.168.10.1", "192.168.10.240")
    spec = ClusterSpec.model_validate(
        {
            "apiVersion": "khgen/v1alpha1",
            "kind": "Cluster",
            "metadata": {"name": "lab"},
            "controlPlaneEndpoint": {"vip": vip, "port": 8443, **endpoint},
            "os": {"family": "debian", "release": "12"},
            "nodes": [
                {"name": f"cp{n}", "role": "control-plane", "address": f"{prefix}{n}"}
                for n in range(1, count + 1)
            ]
            + [{"name": "w1", "role": "worker", "address": f"{prefix}99"[:14]}],
        }
    )
    return build_plan(spec, founders_of(spec))


def config(plan: Plan, node: int = 0) -> str:
    (file,) = keepalived_files(plan, plan.nodes[node], PASSWORD)
    assert file.mode == 0o600, "it holds the password"
    return file.content


def test_each_host_speaks_to_all_others_from_its_own_address() -> None:
    text = config(planned(), node=1)
    assert "  unicast_src_ip 192.168.10.12\n" in text
    peers = re.findall(r"^    (192\.168\.10\.1\d)$", text, re.MULTILINE)
    assert peers == ["192.168.10.11", "192.168.10.13"]


def test_all_hosts_have_the_same_priority_and_none_has_nopreempt() -> None:
    plan = planned()
    for text in (config(plan, n) for n in range(3)):
        assert not re.search(r"^\s*(priority|nopreempt|state)", text, re.MULTILINE)


@pytest.mark.parametrize("ipv6", [False, True])
def test_a_backup_waits_for_two_advertisements_of_a_second(ipv6: bool) -> None:
    text = config(planned(ipv6=ipv6))
    assert "  down_timer_adverts 2\n" in text
    assert "advert_int" not in text


@pytest.mark.parametrize(("ipv6", "vip"), [(False, "192.168.10.240"), (True, "fd00::240")])
def test_a_host_alone_is_unicast_too(ipv6: bool, vip: str) -> None:
    assert f"  unicast_peer {{\n    {vip}\n  }}\n" in config(planned(1, ipv6=ipv6))


def test_a_host_holds_the_vip_only_while_the_others_count_it_in() -> None:
    text = config(planned())
    asks = 'script "/usr/libexec/keepalived/check-vip-hosts 192.168.10.11"'
    block = text[text.index(asks) :].partition("}")[0]
    assert "weight" not in block
    assert "init_fail" in block
    assert "    vip-hosts\n" in text[text.index("track_script {") :]


def test_only_control_planes_follow_the_api() -> None:
    def paths(kind: NodeKind, plan: Plan) -> list[str]:
        return [file.path.name for file in vip_files(plan, kind)]

    assert "khgen-vip.service" in paths(NodeKind.FOUNDER, planned())
    dedicated = cluster({"cp": 1, "lb": 2}, controlPlaneEndpoint={"vip": "10.4.0.9"})
    plan = build_plan(dedicated, founders_of(dedicated))
    assert paths(NodeKind.LOAD_BALANCER, plan) == ["khgen-vip", "check-haproxy", "check-vip-hosts"]
    assert paths(NodeKind.FOUNDER, plan) == []


def test_a_move_is_announced_again_soon() -> None:
    assert "  garp_master_delay 2\n" in config(planned())


def test_multicast_has_no_peers() -> None:
    text = config(planned(vrrp="multicast"))
    assert "unicast" not in text
    assert "  mcast_src_ip 192.168.10.11\n" in text


def test_an_interface_is_named_or_left_to_the_step() -> None:
    assert "  interface ens33\n" in config(planned(interface="ens33"))
    plan = planned()
    assert "  interface @INTERFACE@\n" in config(plan)
    assert load_balancer_environment(plan, plan.nodes[0]) == {
        "VIP_INTERFACE": "auto",
        "VIP_SOURCE": "192.168.10.11",
        "VIP_HOSTS": "192.168.10.11 192.168.10.12 192.168.10.13",
        "VIP_PORT": "8443",
    }


def test_vrrp_for_ipv6_has_no_authentication() -> None:
    text = config(planned(ipv6=True))
    assert PASSWORD not in text
    assert "    fd00::240/128 preferred_lft 0\n" in text
    assert f"auth_pass {PASSWORD}\n" in config(planned())


def test_a_worker_gets_nothing() -> None:
    plan = planned()
    assert keepalived_files(plan, plan.workers[0], PASSWORD) == ()
    assert load_balancer_environment(plan, plan.workers[0]) == {}


def test_a_host_without_the_vips_family_is_a_defect() -> None:
    plan = planned(vip="fd00::240")
    with pytest.raises(ValueError, match="no address of the family"):
        keepalived_files(plan, plan.nodes[0], PASSWORD)
