"""containerd's configuration, of both generations, and its registry mirrors."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from khgen.files.container_runtime import containerd_files
from khgen.plan.cluster_plan import NodeKind, Plan
from support.machine_specs import machine_plan
from support.programs import assert_accepts, require_program

MIRRORS = [
    {
        "registry": "docker.io",
        "endpoints": ["https://z.example.org", "https://a.example.org/v2/hub"],
        "caFile": "/etc/ssl/mirror.pem",
    },
    {"registry": "registry.lan:5000", "endpoints": ["http://m.lan"], "skipVerify": True},
]


def files(plan: Plan, kind: NodeKind = NodeKind.WORKER) -> dict[str, str]:
    return {str(file.path): file.content for file in containerd_files(plan, kind)}


def config(**containerd: object) -> dict[str, Any]:
    plan = machine_plan(containerd=containerd)
    return tomllib.loads(files(plan)["/etc/containerd/config.toml"])


@pytest.mark.parametrize("version", ["1.6", "1.7", "1.7.27"])
def test_the_keys_of_1(version: str) -> None:
    read = config(version=version, restrictOomScoreAdj=True)
    cri = read["plugins"]["io.containerd.grpc.v1.cri"]
    assert read["version"] == 2
    assert cri["sandbox_image"] == "registry.k8s.io/pause:3.9"
    assert cri["restrict_oom_score_adj"] is True
    assert cri["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is True
    assert cri["registry"]["config_path"] == "/etc/containerd/certs.d"


@pytest.mark.parametrize("version", ["2.0", "2.1.4", "2.x"])
def test_the_keys_of_2(version: str) -> None:
    read = config(version=version, restrictOomScoreAdj=True)
    images = read["plugins"]["io.containerd.cri.v1.images"]
    runtime = read["plugins"]["io.containerd.cri.v1.runtime"]
    assert read["version"] == 3
    assert images["pinned_images"]["sandbox"] == "registry.k8s.io/pause:3.9"
    assert images["registry"]["config_path"] == "/etc/containerd/certs.d"
    assert runtime["restrict_oom_score_adj"] is True
    assert runtime["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is True


def test_mirrors_keep_their_order() -> None:
    written = files(machine_plan(containerd={"registryMirrors": MIRRORS}))
    docker = tomllib.loads(written["/etc/containerd/certs.d/docker.io/hosts.toml"])["host"]
    assert list(docker) == ["https://z.example.org", "https://a.example.org/v2/hub"]
    assert docker["https://z.example.org"]["ca"] == "/etc/ssl/mirror.pem"
    assert "override_path" not in docker["https://z.example.org"]
    assert docker["https://a.example.org/v2/hub"]["override_path"] is True
    lan = tomllib.loads(written["/etc/containerd/certs.d/registry.lan:5000/hosts.toml"])["host"]
    assert lan["http://m.lan"]["skip_verify"] is True


def test_the_unit_comes_with_the_tarball_only() -> None:
    unit = "/etc/systemd/system/containerd.service"
    assert unit not in files(machine_plan())
    assert unit in files(machine_plan(install={"containerd": "tarball"}))


def test_load_balancers_run_no_containers() -> None:
    assert files(machine_plan(), NodeKind.LOAD_BALANCER) == {}


@pytest.mark.tools
def test_containerd_takes_it(tmp_path: Path) -> None:
    containerd = require_program("containerd")
    path = tmp_path / "config.toml"
    path.write_text(files(machine_plan())["/etc/containerd/config.toml"])
    dump = assert_accepts([containerd, "--config", path, "config", "dump"])
    read = tomllib.loads(dump[dump.index("disabled_plugins") :])
    cri = read["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["sandbox_image"] == "registry.k8s.io/pause:3.9"
    assert cri["containerd"]["runtimes"]["runc"]["runtime_type"] == "io.containerd.runc.v2"
    assert cri["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is True
    assert cri["cni"]["bin_dir"] == "/opt/cni/bin"


@pytest.mark.tools
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = files(machine_plan(install={"containerd": "tarball"}))[
        "/etc/systemd/system/containerd.service"
    ]
    path = tmp_path / "containerd.service"
    path.write_text(unit.replace("/usr/local/bin/containerd", "/bin/true"))
    assert_accepts([require_program("systemd-analyze"), "verify", path])
