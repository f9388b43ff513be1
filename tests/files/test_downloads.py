"""The list of what is downloaded."""

import pytest

from khgen.files.operating_system import download_files
from khgen.plan.cluster_plan import NodeKind
from khgen.plan.installation import DOWNLOAD_TARGETS, image_programs
from khgen.spec.model.machine import Artifacts
from support.boot_steps import machine_steps
from support.machine_specs import machine_plan

ARTIFACTS = {
    field.alias: {"url": f"https://d.example.org/{name}", "sha256": f"{number:x}" * 64}
    for number, (name, field) in enumerate(Artifacts.model_fields.items())
    if field.alias
}
EVERYTHING: dict[str, object] = {
    "containerd": "tarball",
    "kubernetes": "binaries",
    "artifacts": ARTIFACTS,
}


def downloaded(kind: NodeKind, install: dict[str, object], **containerd: bool) -> list[str]:
    files = download_files(machine_plan(install=install, containerd=containerd), kind)
    lines = files[0].content.splitlines() if files else []
    return [line.split()[2].rsplit("/", 1)[1] for line in lines]


def test_every_artifact_has_a_target() -> None:
    assert set(DOWNLOAD_TARGETS) == set(Artifacts.model_fields)


def test_a_line_is_digest_target_and_url() -> None:
    (file,) = download_files(machine_plan(install=EVERYTHING), NodeKind.WORKER)
    assert file.content.splitlines()[0] == (
        f"{'0' * 64} /usr/local/ https://d.example.org/containerd"
    )


def test_downloads_of_each_kind() -> None:
    base = ["containerd", "runc", "cni_plugins"]
    programs = ["kubeadm", "kubelet", "kubectl"]
    assert downloaded(NodeKind.WORKER, EVERYTHING) == [*base, "crictl", *programs]
    assert downloaded(NodeKind.ETCD_FOUNDER, EVERYTHING) == [*base, "crictl", "kubelet"]
    assert downloaded(NodeKind.LOAD_BALANCER, EVERYTHING) == []
    extras = downloaded(NodeKind.WORKER, EVERYTHING, nerdctl=True, buildkit=True)
    assert extras[3:5] == ["nerdctl", "buildkit"]


@pytest.mark.parametrize("source", ["docker", "distribution"])
def test_nerdctl_and_buildkit_come_beside_containerd_from_packages(source: str) -> None:
    install: dict[str, object] = {"containerd": source, "artifacts": ARTIFACTS}
    assert downloaded(NodeKind.WORKER, install, nerdctl=True) == ["nerdctl"]
    assert downloaded(NodeKind.WORKER, install, buildkit=True) == ["buildkit"]
    assert downloaded(NodeKind.LOAD_BALANCER, install, nerdctl=True, buildkit=True) == []
    plan = machine_plan(install=install, containerd={"buildkit": True})
    steps = machine_steps(plan, NodeKind.WORKER)
    assert steps.index("install-downloads") < steps.index("buildkit")


def test_nerdctl_and_buildkit_of_the_image_are_looked_for_there() -> None:
    containerd = {"nerdctl": True, "buildkit": True}
    plan = machine_plan(install={"containerd": "image"}, containerd=containerd)
    names = [program.name for program in image_programs(plan, NodeKind.WORKER)]
    assert names == ["containerd", "runc", "nerdctl", "buildkitd"]
    assert not download_files(plan, NodeKind.WORKER)


@pytest.mark.parametrize("kind", list(NodeKind))
def test_packages_need_no_list(kind: NodeKind) -> None:
    assert downloaded(kind, {"artifacts": ARTIFACTS}) == []
