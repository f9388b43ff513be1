"""Nodes of a golden image: what their user-data leaves out is on their disks already.

The disks get the very files that a bake places (khgen.files.golden_image), where
benchmarks/image.py bakes with Packer and boots the result in QEMU.
"""

import json
from collections.abc import Iterator

import pytest

from khgen.bundle.user_data import files_of_user_data
from khgen.files.boot import RUNNER, STEPS
from khgen.files.golden_image import ImagePayload, image_payload
from khgen.rehearse.local_host import STATUS, LocalHost, put
from khgen.rehearse.processes import wait_until
from support.local_cluster import LocalCluster, local_cluster
from support.topologies import cluster

pytestmark = pytest.mark.boot


@pytest.fixture(scope="module")
def booted() -> Iterator[LocalCluster]:
    """A control plane and two workers; the image of the second worker is another one."""
    spec = cluster({"cp": 1, "w": 2}, controlPlaneEndpoint={"vip": "10.1.2.3", "port": 8443})
    with local_cluster(spec, baked=True) as hosts:
        payload = image_payload(hosts.render.plan)
        for name, host in hosts.hosts.items():
            place(host, payload, "9" if name == "w2" else "")
        yield hosts


def place(host: LocalHost, payload: ImagePayload, drift: str = "") -> None:
    """What a bake leaves on a disk; with `drift` added to one of its files, of another render."""
    upper = host.folder / "upper"
    for file in payload.files:
        put(
            upper / file.path.relative_to("/"),
            (file.content + drift * (file is payload.files[-1])).encode(),
        )
    contract = dict(payload.contract) | {"about": f"khgen 0, of a test{drift}"}
    put(upper / "etc/khgen/image.json", (json.dumps(contract, indent=1) + "\n").encode())


def test_nodes_of_the_right_image_build_the_cluster(booted: LocalCluster) -> None:
    booted.boot(["cp1", "w1"], 300)
    assert booted.ready()
    for name in ("cp1", "w1"):
        host = booted.hosts[name]
        steps = host.run("ls", "/etc/khgen/steps.d").split()
        node = booted.render.node(booted.render.plan.by_name[name])
        assert steps == sorted(f.path.name for f in node.files if "steps.d" in f.path.parts)
        assert steps[0] == "00-image"
        travelled = [file.path for file in files_of_user_data(node.user_data.delivered)]
        assert RUNNER not in travelled
        assert len([path for path in travelled if path.parent == STEPS]) == 1


def test_a_node_of_another_image_refuses_and_says_which(booted: LocalCluster) -> None:
    host = booted.hosts["w2"]
    host.power_on()

    def refused() -> bool:
        status = json.loads(host.read(STATUS) or "{}")
        return status.get("step") == "00-image" and bool(status.get("output"))

    wait_until(refused, 180, "w2 to refuse its image")
    status = json.loads(host.read(STATUS) or "{}")
    assert "the image is khgen 0, of a test9; this node wants khgen " in status["output"]
    assert "khgen image build" in status["hint"]
    assert host.tries("khgen-boot", "status")[0] == 1
    assert host.read("/etc/kubernetes/bootstrap-kubelet.conf") is None
    assert host.run("sh", "-c", "ls /var/lib/khgen/*") == "", "no step is done"
