"""The cloud's metadata service is closed to pods, and open to the host: a real rule, real packets."""

import subprocess
from pathlib import Path

import pytest

from khgen.files.operating_system import metadata_files
from khgen.plan.cluster_plan import NodeKind
from khgen.resources import resource_folder
from support.boot_steps import machine_steps
from support.machine_specs import DEBIAN, machine_plan
from support.programs import SYSTEM_PATH, assert_accepts, require_namespaces, require_program

PROGRAM = resource_folder("templates") / "cloud-init" / "khgen-metadata"
ADDRESSES = {"169.254.169.254": "169.254.169.254", "fd00:ec2::254": "[fd00:ec2::254]"}
NETWORK = """
set -e
mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
ip link set lo up
for name in pod cloud; do
  ip netns add $name
  ip link add $name type veth peer name eth0 netns $name
  ip link set $name up
  ip -n $name link set eth0 up
done
ip address add 10.244.0.1/24 dev pod
ip address add fd00:10::1/64 dev pod nodad
ip address add 169.254.0.1/16 dev cloud
ip address add fd00:ec2::1/64 dev cloud nodad
ip -n pod address add 10.244.0.2/24 dev eth0
ip -n pod address add fd00:10::2/64 dev eth0 nodad
ip -n cloud address add 169.254.169.254/16 dev eth0
ip -n cloud address add fd00:ec2::254/64 dev eth0 nodad
ip -n pod route add default via 10.244.0.1
ip -n pod route add default via fd00:10::1
ip -n cloud route add default via 169.254.0.1
ip -n cloud route add default via fd00:ec2::1
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
ip netns exec cloud python3 -m http.server --bind :: 80 &>/dev/null &
trap "kill $!" EXIT
until curl -sf -m 1 -o /dev/null http://169.254.169.254/user-data; do sleep 0.1; done
"""
"""A node with a pod, and a cloud that hands out the node's user-data."""


@pytest.fixture
def served(tmp_path: Path) -> Path:
    require_namespaces()
    for program in ("iptables", "ip6tables", "curl"):
        require_program(program)
    (tmp_path / "user-data").write_text("#cloud-config\n")
    return tmp_path


def answers(served: Path, *before: str) -> list[str]:
    """Who is answered at which address, after these commands on the node."""
    asks = [
        f'{who} curl -sfg -m 1 -o /dev/null http://{host}/user-data && echo "{name} {address}" || :'
        for address, host in ADDRESSES.items()
        for name, who in (("node", ""), ("pod", "ip netns exec pod"))
    ]
    script = "\n".join((NETWORK, *before, *asks))
    command = [require_program("unshare"), "--net", "--mount", "bash", "-c", script]
    environment = {"PATH": SYSTEM_PATH}
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment, cwd=served
    )
    return done.stdout.splitlines()


@pytest.mark.tools
def test_a_pod_gets_no_answer_and_the_host_does(served: Path) -> None:
    hosts = [f"node {address}" for address in ADDRESSES]
    pods = [f"pod {address}" for address in ADDRESSES]
    assert sorted(answers(served)) == sorted(hosts + pods)
    assert sorted(answers(served, f"bash {PROGRAM}")) == sorted(hosts)


@pytest.mark.tools
def test_a_service_that_leads_there_is_closed_too(served: Path) -> None:
    """What kube-proxy translates has another destination until it is forwarded."""
    service = "iptables -t nat -A PREROUTING -d 10.96.0.9 -j DNAT --to-destination 169.254.169.254"
    ask = "ip netns exec pod curl -sf -m 1 -o /dev/null http://10.96.0.9/user-data && echo led || :"
    assert "led" in answers(served, service, ask)
    assert "led" not in answers(served, f"bash {PROGRAM}", service, ask)


@pytest.mark.tools
def test_the_rule_is_there_once_however_often_the_unit_starts(served: Path) -> None:
    rules = "iptables -t mangle -S FORWARD | grep -c 169.254.169.254"
    assert "1" in answers(served, f"bash {PROGRAM}", f"bash {PROGRAM}", rules)


def test_nodes_that_run_pods_close_it_where_the_spec_asks() -> None:
    closed = machine_plan(os={**DEBIAN, "blockMetadata": True})
    for kind in NodeKind:
        runs_pods = kind in {NodeKind.FOUNDER, NodeKind.CONTROL_PLANE_JOINER, NodeKind.WORKER}
        assert bool(metadata_files(closed, kind)) is runs_pods
        assert ("prepare-metadata" in machine_steps(closed, kind)) is runs_pods
        assert not metadata_files(machine_plan(), kind)
    steps = machine_steps(closed, NodeKind.WORKER)
    assert steps.index("install-deb") < steps.index("prepare-metadata") < steps.index("containerd")


def test_no_pod_starts_before_the_rule() -> None:
    closed = machine_plan(os={**DEBIAN, "blockMetadata": True})
    (unit,) = (f for f in metadata_files(closed, NodeKind.WORKER) if f.path.suffix == ".service")
    assert "\nBefore=kubelet.service\n" in unit.content
    assert "\nWantedBy=multi-user.target\n" in unit.content


@pytest.mark.tools
def test_shellcheck_has_nothing_to_say() -> None:
    assert_accepts([require_program("shellcheck"), PROGRAM])
