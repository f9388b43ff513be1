"""BuildKit and nerdctl, where they are asked for."""

import tomllib

from khgen.files.container_runtime import buildkit_files, nerdctl_files
from khgen.plan.cluster_plan import NodeKind
from support.machine_specs import machine_plan

MIRRORS = [
    {"registry": "docker.io", "endpoints": ["https://a.example.org/v2/hub", "http://b.lan:5000"]},
    {"registry": "_default", "endpoints": ["https://c.example.org"]},
]


def test_only_where_asked_for() -> None:
    plan = machine_plan()
    assert not buildkit_files(plan, NodeKind.WORKER)
    assert not nerdctl_files(plan, NodeKind.WORKER)


def test_they_share_the_kubelets_images_and_mirrors() -> None:
    plan = machine_plan(containerd={"buildkit": True, "nerdctl": True, "registryMirrors": MIRRORS})
    config, unit = buildkit_files(plan, NodeKind.WORKER)
    read = tomllib.loads(config.content)
    assert read["worker"]["containerd"] == {"enabled": True, "namespace": "k8s.io"}
    assert read["registry"] == {
        "docker.io": {"mirrors": ["a.example.org/hub", "b.lan:5000"]},
        "b.lan:5000": {"http": True},
    }
    assert "ExecStart=/usr/local/bin/buildkitd" in unit.content
    (nerdctl,) = nerdctl_files(plan, NodeKind.WORKER)
    assert tomllib.loads(nerdctl.content) == {"namespace": "k8s.io"}
    assert not buildkit_files(plan, NodeKind.LOAD_BALANCER)
